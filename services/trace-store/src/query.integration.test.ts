import { Code } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ended, type Fixture, newSession, openFixture, output, publisher, queued } from './trace-store-fixture.ts';

let fixture: Fixture;
const mine = newSession();
const theirs = newSession();
const secret = 'their secret output';

beforeAll(async () => {
  fixture = await openFixture('query');
  await fixture.start();
  for (const session of [mine, theirs]) {
    const publish = publisher(fixture.js, session);
    const text = session === mine ? 'my own output' : secret;
    const command = newId('command');
    await publish('session', 1, {
      case: 'sessionCreated',
      value: { title: text, taskId: 'tsk_1', branch: 'worktrail/x', labels: { team: 'blue' } },
    });
    await publish(command, 1, queued(`echo ${text}`));
    await publish(command, 2, output('stdout', 0, 0, Buffer.from(text)));
    await publish(command, 3, output('stderr', 0, text.length, Uint8Array.of(0xff, 0x00, 0x27)));
    await publish(command, 4, ended(session === mine ? 7 : 8, text.length, 3));
  }
});

afterAll(() => fixture.close());

async function ask(sql: string, organizationId = mine.organizationId) {
  const answer = await fixture.trace.query({ organizationId, sql }, { timeoutMs: 20_000 });
  return { ...answer, rows: JSON.parse(answer.rowsJson) as Record<string, unknown>[] };
}

describe('questions', () => {
  test('commands tell how they ended', async () => {
    const { columns, rows, truncated } = await ask(
      'SELECT command, exit_code, outcome, state, stdout_bytes FROM commands',
    );
    expect(columns).toEqual(['command', 'exit_code', 'outcome', 'state', 'stdout_bytes']);
    expect(rows).toEqual([
      { command: 'echo my own output', exit_code: 7, outcome: 'exited', state: 'ended', stdout_bytes: 13 },
    ]);
    expect(truncated).toBe(false);
  });

  test('sessions tell their state, events their data and bytes', async () => {
    expect((await ask('SELECT session_id, title, state, task_id, labels FROM sessions')).rows).toEqual([
      {
        session_id: mine.sessionId,
        title: 'my own output',
        state: 'creating',
        task_id: 'tsk_1',
        labels: { team: 'blue' },
      },
    ]);
    const { rows } = await ask(
      `SELECT type, JSONExtractInt(data, 'exitCode') AS code FROM events WHERE type = 'command.ended'`,
    );
    expect(rows).toEqual([{ type: 'command.ended', code: 7 }]);
    const bodies = await ask(
      `SELECT body, hex(body) AS h, time FROM command_output WHERE stream = 'stdout' -- a comment`,
    );
    expect(bodies.rows).toMatchObject([{ body: 'my own output', time: expect.stringMatching(/^20.*Z$/) }]);
  });

  test.each([
    `WITH c AS (SELECT session_id, count() AS n FROM events GROUP BY session_id) SELECT n FROM c JOIN sessions USING session_id`,
    `SELECT count() FROM events WHERE session_id IN (SELECT session_id FROM sessions)`,
    `SELECT type, count(), row_number() OVER (ORDER BY type) FROM events GROUP BY type ORDER BY type LIMIT 3`,
    `SELECT quantile(0.5)(duration_ms) FROM commands UNION ALL SELECT countIf(number > 1) FROM events`,
    `SELECT * EXCEPT (text, data) FROM events`,
    `SELECT toStartOfHour(time) AS hour, sum(size) FROM events GROUP BY hour ORDER BY hour DESC`,
    `SELECT argMax(type, number), uniq(producer), groupArray(type) FROM events WHERE type LIKE 'command.%' AND stream IN ('', 'stdout')`,
    `SELECT e.type FROM events AS e LEFT JOIN commands AS c ON c.command_id = e.producer WHERE c.exit_code = 7`,
    `SELECT if(size > 0, 'output', 'other') AS kind, count() FROM events GROUP BY ALL`,
    `SELECT arrayMap(x -> x * 2, [1, 2]), now() - INTERVAL 1 DAY, CAST('1' AS UInt8), data::String FROM events LIMIT 1`,
    `SELECT 1 AS "a name", format('{} {}', type, producer) FROM events`,
    `SELECT 1 INTERSECT SELECT 1`,
  ])('%s', async (sql) => {
    expect((await ask(sql)).rows.length).toBeGreaterThan(0);
  });

  test('only so many rows are answered, and that there are more is said', async () => {
    const { rows, truncated } = await ask('SELECT arrayJoin(range(50000)) AS n FROM sessions ORDER BY n');
    expect(rows).toHaveLength(10_000);
    expect(rows[9_999]).toEqual({ n: 9_999 });
    expect(truncated).toBe(true);
    const exact = await ask(
      'SELECT arrayJoin(range(10000)) AS n FROM sessions UNION ALL SELECT 1 FROM sessions WHERE 0',
    );
    expect(exact.truncated).toBe(false);
  });
});

describe('confinement', () => {
  test.each([
    '',
    'SELECT 1; DROP TABLE events_v1',
    'SELECT 1; SELECT 2',
    'DROP TABLE events_v1',
    'INSERT INTO events_v1 (session_id) VALUES (1)',
    "INSERT INTO FUNCTION file('/tmp/worktrail-stolen') SELECT * FROM events",
    'CREATE TABLE x (a UInt8) ENGINE = Memory',
    'ALTER TABLE events_v1 DELETE WHERE 1',
    'SET readonly = 0',
    'SYSTEM SHUTDOWN',
    'SHOW TABLES',
    'DESCRIBE TABLE events_v1',
    'EXPLAIN SELECT 1',
    'KILL QUERY WHERE 1',
    'ATTACH DATABASE x',
    'SELECT * FROM events_v1',
    'SELECT * FROM default.events_v1',
    'SELECT * FROM `default`.`events_v1`',
    'SELECT * FROM audit_v1',
    'SELECT * FROM schema_migrations_v1',
    'SELECT * FROM system.tables',
    'SELECT * FROM system.query_log',
    'SELECT * FROM information_schema.tables',
    'SELECT * FROM INFORMATION_SCHEMA.COLUMNS',
    'SELECT * FROM no_such_table',
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', 'default', 'events_v1')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM executable('/bin/sh', 'TSV', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1/x')",
    'SELECT * FROM numbers(10)',
    'SELECT * FROM view(SELECT * FROM events_v1)',
    "SELECT * FROM values('a UInt8', 1)",
    "SELECT * FROM format(LineAsString, 'x')",
    'SELECT * FROM cluster(default, default.events_v1)',
    "SELECT file('/etc/passwd')",
    "SELECT dictGet('a', 'b', 1)",
    "SELECT joinGet('events_v1', 'data', 1)",
    "SELECT getSetting('readonly')",
    'SELECT hostName(), version()',
    'SELECT sleep(3)',
    'SELECT currentUser()',
    "SELECT arrayReduce('count', [1])",
    "SELECT initializeAggregation('count', 1)",
    "SELECT getMacro('x')",
    "SELECT hasColumnInTable('default', 'events_v1', 'data')",
    "SELECT catboostEvaluate('/tmp/x', 1)",
    "SELECT formatRow('CSV', 1)",
    'SELECT throwIf(1)',
    'SELECT @@version',
    'SELECT * APPLY toString FROM events',
    'SELECT * FROM events SETTINGS additional_table_filters = {}',
    'SELECT * FROM (SELECT * FROM events SETTINGS max_threads = 1)',
    'SELECT * FROM events UNION ALL SELECT * FROM events SETTINGS readonly = 0',
    "SELECT * FROM events INTO OUTFILE '/tmp/worktrail-stolen'",
    "SELECT * FROM events INTO OUTFILE '/tmp/worktrail-stolen' FORMAT CSV",
    'SELECT * FROM events FORMAT CSV',
    'SELECT {organization:String}',
    'SELECT 1 IN (system.tables)',
    'SELECT 1 IN system.one',
    "SELECT 'x' IN events_v1",
    'SELECT 1 WHERE (1, 2) IN audit_v1',
    'SELECT (SELECT count() FROM system.users)',
    'SELECT 1 WHERE EXISTS (SELECT 1 FROM audit_v1)',
    'WITH x AS (SELECT * FROM audit_v1) SELECT * FROM x',
    'WITH events AS (SELECT 1) SELECT * FROM events',
    'WITH audit_v1 AS (SELECT 1) SELECT * FROM audit_v1',
    'SELECT * FROM audit_v1 WINDOW audit_v1 AS (ORDER BY 1)',
    'SELECT * FROM users WINDOW users AS (ORDER BY 1)',
    'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r',
    'SELECT * FROM events AS e, system.users',
    'SELECT * FROM `system.users`',
    'SELECT * FROM "system"."users"',
    'SELECT `x\n TableIdentifier events` FROM system.users',
    "SELECT 1 /* ; */ ; /* */ SELECT 'x'",
    'SELECT 1) UNION ALL (SELECT * FROM audit_v1',
    'SELECT 1 FROM events) SELECT * FROM (SELECT 1',
    'SELECT \0 FROM events',
    `SELECT '${'x'.repeat(70_000)}'`,
  ])('refuses %s', async (sql) => {
    await expect(ask(sql)).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test('an organization reads its own rows only, however it asks', async () => {
    for (const sql of [
      'SELECT * FROM events',
      'SELECT * FROM commands',
      'SELECT * FROM sessions',
      'SELECT * FROM command_output',
      'SELECT groupArray(body) FROM command_output UNION ALL SELECT groupArray(command) FROM commands',
      'WITH x AS (SELECT * FROM events) SELECT * FROM x AS a JOIN x AS b ON 1 = 1 LIMIT 1000',
      `SELECT * FROM events WHERE 1 OR 'a' = 'a'`,
      `SELECT title FROM sessions WHERE '' = '' OR title != ''`,
    ]) {
      const answer = await ask(sql);
      expect(answer.rows.length).toBeGreaterThan(0);
      expect(answer.rowsJson).not.toContain(secret);
      expect(answer.rowsJson).not.toContain(theirs.sessionId);
      expect((await ask(sql, theirs.organizationId)).rowsJson).toContain('their');
    }
    expect((await ask('SELECT * FROM events', newId('organization'))).rows).toEqual([]);
  });

  test('a statement that fails while it answers leaves nothing for the next one', async () => {
    const failing = `SELECT body, if(n = 40000, toUInt8(body), 0) FROM command_output ARRAY JOIN range(50000) AS n WHERE stream = 'stdout'`;
    await expect(ask(failing, theirs.organizationId)).rejects.toMatchObject({ code: Code.InvalidArgument });
    const { rowsJson } = await ask('SELECT title FROM sessions');
    expect(rowsJson).toBe(JSON.stringify([{ title: 'my own output' }]));
  });

  test('time, memory and size of an answer are bounded', async () => {
    const numbers = (count: number) => `(SELECT arrayJoin(range(${count})) AS x FROM sessions)`;
    for (const sql of [
      `SELECT count() FROM ${numbers(100_000)} AS a, ${numbers(10_000_000)} AS b`,
      `SELECT length(groupArray(x)) FROM ${numbers(400_000_000)}`,
      `SELECT repeat(body, 4000) FROM command_output ARRAY JOIN range(1000) AS x WHERE stream = 'stdout'`,
      `SELECT repeat('x', 1000000) FROM ${numbers(10_000)}`,
      `SELECT repeat(type, 100000) FROM events ARRAY JOIN range(10000) AS x`,
    ]) {
      await expect(ask(sql)).rejects.toMatchObject({ code: Code.ResourceExhausted });
    }
    expect((await ask('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('what ClickHouse computes while it analyses a statement is bounded too', async () => {
    const pairs = '(SELECT arrayJoin(range(3000000)) AS a) AS x, (SELECT arrayJoin(range(3000)) AS b) AS y';
    const scalar = `SELECT (SELECT max(cityHash64(a + b)) FROM ${pairs}) AS v`;
    await expect(ask(scalar)).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });
});
