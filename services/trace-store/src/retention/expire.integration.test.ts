// What has expired is counted by nothing any more: not by what reports read, nor after merges.

import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { setEmbeddedMerges } from '../clickhouse/embedded-merges.ts';
import { applySchema } from '../clickhouse/schema.ts';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { expire } from './expire.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('expire');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
  await setEmbeddedMerges(clickhouse);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

/** As a report does, and by the events themselves. */
async function counted(): Promise<{ byReports: number; byEvents: number }> {
  const count = (settings: string) =>
    clickhouse.rows<{ events: number }>(
      `SELECT toUInt32(count()) AS events FROM events_v1 WHERE organization_id = 'org' AND type = 'command.ended' SETTINGS ${settings}`,
    );
  const [[byReports], [byEvents]] = await Promise.all([
    count('force_optimize_projection = 1, optimize_use_implicit_projections = 0'),
    count('optimize_use_projections = 0'),
  ]);
  return { byReports: byReports!.events, byEvents: byEvents!.events };
}

test('events that have expired are not in what reports count, before their parts are merged and after', async () => {
  const [blocks, rows, sessions] = [3, 1_000, 20];
  for (let block = 0; block < blocks; block++) {
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, type, time, ingested_at)
       SELECT 'org', concat('ses', toString(number % ${sessions})), 1, number, 'command.ended', now(), now()
       FROM numbers(${block * rows}, ${rows})`,
    );
  }
  const all = blocks * rows;
  expect(await counted()).toEqual({ byReports: all, byEvents: all });
  const expiry = { organizationId: 'org', kind: 'events', cutoff: new Date(Date.now() + 60_000) } as const;
  const archived = { id: 'ses4', organizationId: 'org', state: 'archived', ancestors: [] } as const;
  expect(await expire(clickhouse, expiry, [archived])).toBe(all / sessions);
  const left = all - all / sessions;
  expect(await counted()).toEqual({ byReports: left, byEvents: left });
  await clickhouse.command('OPTIMIZE TABLE events_v1 FINAL');
  expect(await counted()).toEqual({ byReports: left, byEvents: left });
});

test('while a removal is still under way there is no other, and afterwards it goes on', async () => {
  await clickhouse.command(
    `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, type, time, ingested_at)
     SELECT 'org', 'ses_old', 2, number, 'command.ended', now(), now() FROM numbers(10)`,
  );
  await clickhouse.command('SYSTEM STOP MERGES events_v1');
  await clickhouse.command(`ALTER TABLE events_v1 DELETE WHERE session_id = 'ses5' SETTINGS mutations_sync = 0`);
  const expiry = { organizationId: 'org', kind: 'events', cutoff: new Date(Date.now() + 60_000) } as const;
  const archived = { id: 'ses_old', organizationId: 'org', state: 'archived', ancestors: [] } as const;
  await expect(expire(clickhouse, expiry, [archived])).rejects.toThrow(/still being removed/);
  await clickhouse.command('SYSTEM START MERGES events_v1');
  await vi.waitFor(async () => expect(await expire(clickhouse, expiry, [archived])).toBe(10), 30_000);
});

test('what an earlier version only marked as deleted leaves what reports count as it is merged, or by the upgrade', async () => {
  for (const epoch of [3, 4]) {
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, type, time, ingested_at)
       SELECT 'org', concat('marked', toString(number % 3)), ${epoch}, number, 'command.ended', now(), '2026-01-15 12:00:00' FROM numbers(30)`,
    );
  }
  for (const [sessionId, cleared] of [
    ['marked0', 'OPTIMIZE TABLE events_v1 PARTITION 202601 FINAL SETTINGS optimize_throw_if_noop = 1'],
    ['marked1', 'ALTER TABLE events_v1 APPLY DELETED MASK SETTINGS mutations_sync = 2'],
  ]) {
    await clickhouse.command(`DELETE FROM events_v1 WHERE session_id = '${sessionId}'`);
    const { byReports, byEvents } = await counted();
    expect(byReports).toBeGreaterThan(byEvents);
    await setEmbeddedMerges(clickhouse);
    await clickhouse.command(cleared!);
    expect(await counted()).toEqual({ byReports: byEvents, byEvents });
  }
});
