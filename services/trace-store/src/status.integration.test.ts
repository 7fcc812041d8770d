// What a newer schema still does to the rows of before, in a real ClickHouse directory.

import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applySchema, schemaFiles } from './clickhouse/schema.ts';
import { type ClickHouse, openClickHouse } from './clickhouse/store.ts';
import { readUpgrades } from './status.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('status');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

test('what an upgrade still does to events of before is told with the parts that are left, until it is done', async () => {
  const before = (await schemaFiles()).filter((name) => name < '0014');
  await applySchema(clickhouse, before);
  expect(await readUpgrades(clickhouse)).toEqual([]);
  await clickhouse.command('SYSTEM STOP MERGES events_v1');
  for (let part = 0; part < 3; part++) {
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, ingested_at) SELECT 'o', 's', 1, ${part}, '2026-11-01 00:00:00'`,
    );
  }
  await applySchema(clickhouse);
  const left = await readUpgrades(clickhouse);
  expect(left).toEqual([{ table: 'events_v1', what: 'MATERIALIZE INDEX text_words', partsLeft: 3, failure: '' }]);
  await clickhouse.command('SYSTEM START MERGES events_v1');
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(50)) {
    if ((await readUpgrades(clickhouse)).length === 0) break;
  }
  expect(await readUpgrades(clickhouse)).toEqual([]);
});
