import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { confinedAttempts, refusedAttempts } from './attempts.ts';
import { ended, type Fixture, newSession, openFixture, output, publisher, queued } from '../trace-store-fixture.ts';

let fixture: Fixture;
const mine = newSession();
const theirs = newSession();
const secret = 'their secret output';
/** What no refusal tells, though it may repeat what was asked. */
const insides = ['additional_table_filters', 'PREWHERE (', mine.organizationId, theirs.organizationId, secret];

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

  test('a number has all its digits, and a text all its letters', async () => {
    const values =
      "18446744073709551615 AS most, [9007199254740993] AS `a list`, 'a,\"b]\\\\' AS text, map(1, 2) AS pairs";
    expect((await ask(`SELECT ${values}`)).rowsJson).toBe(
      '[{"most":18446744073709551615,"a list":[9007199254740993],"text":"a,\\"b]\\\\","pairs":{"1":2}}]',
    );
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
  test('a list is compared with one that is written in the statement, as it is or as a parameter', async () => {
    const sql =
      "SELECT hasAny(mapKeys(labels), ['team']) AS a, hasAll({l:Array(String)}, mapKeys(labels)) AS b FROM sessions";
    const asked = { organizationId: mine.organizationId, sql, parameters: { l: "['a']" } };
    expect(JSON.parse((await fixture.impatient.query(asked)).rowsJson)).toEqual([{ a: 1, b: 0 }]);
  });

  test.each(refusedAttempts)('refuses %s', async (sql) => {
    const error = (await ask(sql).catch((reason: unknown) => reason)) as ConnectError;
    expect(error).toBeInstanceOf(ConnectError);
    expect([Code.InvalidArgument, Code.ResourceExhausted]).toContain(error.code);
    expect(error.rawMessage).not.toBe('');
    for (const inside of insides) expect(error.rawMessage).not.toContain(inside);
  });

  test.each(confinedAttempts(secret))('tells nothing of others: %s', async (sql) => {
    const answer = await ask(sql).catch((error: ConnectError) => error);
    if (answer instanceof ConnectError) {
      expect(answer.code).toBe(Code.InvalidArgument);
      expect(answer.rawMessage).toMatch(/identifier/);
    } else {
      expect(answer.rowsJson.replaceAll(sql, '')).not.toContain(theirs.sessionId);
      // What the statement itself says may come back as the name of a column.
      const values = JSON.stringify(answer.rows.map((row) => Object.values(row)));
      expect(values).not.toContain(secret);
    }
  });

  test('the same is answered to each organization, of its own rows', async () => {
    for (const sql of ['SELECT * FROM events', 'SELECT * FROM commands', 'SELECT * FROM sessions']) {
      expect((await ask(sql)).rows.length).toBeGreaterThan(0);
      expect((await ask(sql, theirs.organizationId)).rowsJson).toContain(secret);
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
      `SELECT count() FROM ${numbers(2_000_000)} AS a, ${numbers(2_000_000)} AS b`,
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
