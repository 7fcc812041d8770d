// Lists where there are many: what a page reads depends on the page alone. And those of a store from before they had tables of their own.

import { newId } from '@worktrail/contract/ids';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { listCommandIds, readCommands } from './commands.ts';
import { rowsReadBy } from '../rows-read-fixture.ts';
import { applySchema, schemaFiles } from '../clickhouse/schema.ts';
import { listTurns } from './turns.ts';
import { listAuditRecords, listSessionIds, type SessionFilter } from './sessions.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('lists');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(
    clickhouse,
    (await schemaFiles()).filter((name) => name < '0009'),
  );
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const organizationId = newId('organization');
const everyone: SessionFilter = {
  ...{ organizationId, projectId: '', taskId: '', trialId: '', state: '', beforeSessionId: '' },
};
const idOf = (number: number) => `ses_${String(number).padStart(8, '0')}`;
/** Of the 400,000 and more: what is read is read by granules of 8,192 rows, in each part of a table. */
const pageRowsMax = 16 * 8_192;

describe('of a store from before', () => {
  const before = { ...everyone, organizationId: newId('organization') };

  test('its sessions are in the lists, with their labels', async () => {
    const columns = ['organization_id', 'session_id', 'project_id', 'task_id', 'created_at'] as const;
    await clickhouse.insert('sessions_v1', columns, [
      {
        organization_id: before.organizationId,
        session_id: idOf(1),
        project_id: 'prj_1',
        task_id: 'tsk_1',
        created_at: 1,
      },
      { organization_id: before.organizationId, session_id: idOf(2), project_id: 'prj_2', task_id: '', created_at: 2 },
    ]);
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, type, data, ingested_at) VALUES
       ('${before.organizationId}', '${idOf(1)}', 1, 1, 'session.created', '\\x7B"labels":\\x7B"team":"it\\'s"\\x7D\\x7D', now()),
       ('${before.organizationId}', '${idOf(2)}', 1, 2, 'session.created', '\\x7B"title":"x"\\x7D', now())`,
    );
    await applySchema(clickhouse);
    expect(await listSessionIds(clickhouse, before, 10)).toEqual([idOf(2), idOf(1)]);
    expect(await listSessionIds(clickhouse, { ...before, projectId: 'prj_1' }, 10)).toEqual([idOf(1)]);
    expect(await listSessionIds(clickhouse, { ...before, taskId: 'tsk_1' }, 10)).toEqual([idOf(1)]);
    const labels = await clickhouse.rows(
      `SELECT session_id AS id, labels FROM sessions_v1 FINAL WHERE organization_id = '${before.organizationId}' ORDER BY id`,
    );
    expect(labels).toEqual([
      { id: idOf(1), labels: { team: "it's" } },
      { id: idOf(2), labels: {} },
    ]);
  });
});

describe('of 400,000 sessions', () => {
  const count = 400_000;

  beforeAll(async () => {
    await applySchema(clickhouse);
    // Each fourth one is told of twice.
    for (const [from, step] of [
      [0, 1],
      [1, 4],
    ] as const) {
      const session = `concat('ses_', leftPad(toString(number * ${step} + ${from}), 8, '0')) AS session_id`;
      const of = `'${organizationId}' AS organization_id, if(number % 1000 = 500, 'prj_few', 'prj_most') AS project_id`;
      await clickhouse.command(
        `INSERT INTO session_lists_v1 SELECT organization_id, arrayJoin(['', project_id]) AS list, session_id, project_id, '', ''
         FROM (SELECT ${of}, ${session} FROM numbers(${count / step}))`,
      );
      await clickhouse.command(
        `INSERT INTO sessions_v1 (organization_id, project_id, session_id, state)
         SELECT ${of}, ${session}, (1, number + ${from}, if(number % 3 = ${from}, 'busy', 'archived')) FROM numbers(${count / step})`,
      );
    }
  });

  test('every one is on one page', async () => {
    const seen: string[] = [];
    for (let page: string[] = [idOf(count)]; page.length > 0; seen.push(...page)) {
      page = await listSessionIds(clickhouse, { ...everyone, beforeSessionId: page.at(-1)! }, 70_000);
    }
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => idOf(count - 1 - index)));
  });

  test.each<[string, Partial<SessionFilter>]>([
    ['the newest page', {}],
    ['a page in the middle', { beforeSessionId: idOf(count / 2) }],
    ['the last page', { beforeSessionId: idOf(150) }],
    ['of a project that has most', { projectId: 'prj_most', beforeSessionId: idOf(count / 2) }],
    ['of a project that has few', { projectId: 'prj_few' }],
    ['of a state', { state: 'archived' }],
    ['of a state, in the middle', { state: 'busy', beforeSessionId: idOf(count / 2) }],
    ['of a task that has none', { taskId: 'tsk_none' }],
  ])('%s reads so much alone', async (_, filter) => {
    const rows = await rowsReadBy(clickhouse, (reader) => listSessionIds(reader, { ...everyone, ...filter }, 201));
    expect(rows).toBeLessThanOrEqual(pageRowsMax);
  });
});

test('any page of 400,000 rows of audit records reads so much alone', async () => {
  const audited = newId('organization');
  for (const _ of [1, 2]) {
    await clickhouse.command(
      `INSERT INTO audit_v1 (organization_id, audit_id, epoch, sequence, ingested_at)
       SELECT '${audited}', concat('aud_', leftPad(toString(number), 8, '0')), 1, number, '2026-11-01 00:00:00' FROM numbers(200000)`,
    );
  }
  for (const beforeId of ['', 'aud_00100000', 'aud_00000150']) {
    const rows = await rowsReadBy(clickhouse, async (reader) => {
      expect(await listAuditRecords(reader, audited, beforeId, 101)).toHaveLength(101);
    });
    expect(rows).toBeLessThanOrEqual(pageRowsMax);
  }
});

describe('of a session with 200,000 commands and turns, each told of three times', () => {
  const sessionId = newId('session');
  const keyOf = (number: number) => String(number).padStart(8, '0');
  const key = "leftPad(toString(number), 8, '0')";

  beforeAll(async () => {
    for (const told of ['queued_at', 'started_at', 'ended_at']) {
      for (const [table, id] of [
        ['commands_v1', 'command_id'],
        ['turns_v1', 'turn_id'],
      ]) {
        await clickhouse.command(
          `INSERT INTO ${table} (organization_id, session_id, ${id}, ${told})
           SELECT '${organizationId}', '${sessionId}', ${key}, now64(3) FROM numbers(200000)`,
        );
      }
    }
  });

  test.each([0, 100_000, 199_000])('a page after the first %s reads so much alone', async (before) => {
    const after = before === 0 ? '' : keyOf(before);
    const expected = Array.from({ length: 201 }, (_, index) => keyOf(before === 0 ? index : before + 1 + index));
    const commands = await rowsReadBy(clickhouse, async (reader) => {
      const ids = await listCommandIds(reader, organizationId, sessionId, after, 201);
      expect(ids).toEqual(expected);
      expect(await readCommands(reader, organizationId, sessionId, ids)).toHaveLength(201);
    });
    const turns = await rowsReadBy(clickhouse, async (reader) => {
      const page = { organizationId, sessionId, afterTurnId: after, turnId: '', limit: 201 };
      expect((await listTurns(reader, page)).map(({ turnId }) => turnId)).toEqual(expected);
    });
    expect([commands, turns].filter((rows) => rows > pageRowsMax)).toEqual([]);
  });
});
