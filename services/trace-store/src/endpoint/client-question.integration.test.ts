// What ClickHouse's clients ask, on a real ClickHouse: their handshakes are answered, their parameters bound, and nothing of the server is shown.

import { hostname } from 'node:os';
import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { confinedAttempts, refusedAttempts } from '../query/attempts.ts';
import { errorMetadata } from '../query/errors.ts';
import { views } from '../query/views.ts';
import { ended, type Fixture, newSession, openFixture, output, publisher, queued } from '../trace-store-fixture.ts';
import { handshakes } from './handshakes.ts';

let fixture: Fixture;
const mine = newSession();
const theirs = newSession();
const secret = 'their secret output';
/** As a word: a short one may be a part of an id. */
const host = new RegExp(`(?<![A-Za-z0-9])${hostname()}(?![A-Za-z0-9])`);

beforeAll(async () => {
  fixture = await openFixture('client-question');
  await fixture.start();
  for (const session of [mine, theirs]) {
    const publish = publisher(fixture.js, session);
    const text = session === mine ? 'my own output' : secret;
    const command = newId('command');
    await publish('session', 1, { case: 'sessionCreated', value: { title: text } });
    await publish(command, 1, queued(`echo ${text}`));
    await publish(command, 2, output('stdout', 0, 0, Buffer.from(text)));
    await publish(command, 3, ended(7, text.length, 0));
  }
});

afterAll(() => fixture.close());

interface Given {
  format?: string;
  parameters?: Record<string, string>;
  settings?: Record<string, string>;
}

async function ask(sql: string, { format = 'TabSeparated', parameters = {}, settings = {} }: Given = {}) {
  const pieces: Uint8Array[] = [];
  let start = '';
  const question = { organizationId: mine.organizationId, sql, format, client: true, parameters, settings };
  for await (const { part } of fixture.impatient.queryStream(question)) {
    if (part.case === 'start') start = part.value.format;
    if (part.case === 'bytes') pieces.push(part.value);
  }
  return { start, text: Buffer.concat(pieces).toString('utf8') };
}

describe.each(Object.entries(handshakes))('the handshake of %s', (_, asked) => {
  test.each(asked)('$sql', async ({ sql, ...given }) => {
    const { start, text } = await ask(sql, given);
    expect(start).toBe(/FORMAT (\w+)$/.exec(sql)?.[1] ?? given.format ?? 'TabSeparated');
    expect(text).not.toMatch(host);
    for (const inside of ['_v1', mine.organizationId, fixture.path]) expect(text).not.toContain(inside);
  });
});

test('the tables and columns that are shown are the views, as they are', async () => {
  const { text } = await ask("SELECT table, name, type FROM system.columns WHERE database = 'worktrail' FORMAT TSV");
  const told = views.flatMap(({ name, columns }) =>
    columns.map((column) => `${name}\t${column.name}\t${column.type.replaceAll("'", "\\'")}\n`),
  );
  expect(text).toBe(told.join(''));
  for (const { name, columns } of views) {
    const described = await ask(`DESCRIBE TABLE ${name}`);
    expect(described.text.trimEnd().split('\n')).toHaveLength(columns.length);
    expect((await ask(`SELECT count() >= 0 FROM worktrail.${name}`)).text).toBe('1\n');
  }
});

test('parameters are values of their types, whatever they hold', async () => {
  const parameters = { a: '5', s: `it's; DROP {x:String}\\n\\\\ -- { echo }`, l: `['a','b\\'']`, n: '\\N' };
  const sql =
    'SELECT {a:UInt8} + 1, {s:String}, {l:Array(String)}, {n:Nullable(String)} IS NULL FORMAT JSONCompactEachRow';
  const { text } = await ask(sql, { parameters });
  expect(JSON.parse(text)).toEqual([6, `it's; DROP {x:String}\n\\ -- { echo }`, ['a', "b'"], 1]);
  const { text: mineOnly } = await ask('SELECT title FROM sessions WHERE session_id = {id:String}', {
    parameters: { id: theirs.sessionId },
  });
  expect(mineOnly).toBe('');
});

test.each([
  ['SELECT {a:Identifier}', { parameters: { a: 'events_v1' } }],
  ['SELECT {a:AggregateFunction(count)}', { parameters: { a: '1' } }],
  ['SELECT {a:UInt8}', {}],
  ['SELECT 1 SETTINGS readonly = 0, additional_table_filters = {}', {}],
  ['SELECT 1 SETTINGS max_memory = 5', {}],
  ['SELECT 1', { settings: { additional_table_filters: '{}' } }],
  ['SELECT 1', { settings: { date_time_output_format: "iso', readonly = '0" } }],
  ['SELECT 1', { settings: { constructor: '1' } }],
  ['SELECT * FROM (SELECT 1 FORMAT CSV)', {}],
  ['SELECT * FROM system.users', {}],
  ['SELECT * FROM system.processes', {}],
  ['SELECT * FROM system_tables_v1', {}],
  ['SELECT * FROM worktrail.events_v1', {}],
  ['WITH system_tables AS (SELECT 1) SELECT * FROM system_tables', {}],
  ['DESCRIBE TABLE events_v1', {}],
  ["SELECT hostName('x')", {}],
  ['INSERT INTO events VALUES (1)', {}],
  ['SELECT 1; SELECT 2', {}],
] as [string, Given][])('refuses %s', async (sql, given) => {
  await expect(ask(sql, given)).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test('a limit of the client may be lower than ours, not higher', async () => {
  const rows = 'SELECT arrayJoin(range(10)) AS n FROM sessions';
  await expect(ask(rows, { settings: { max_result_rows: '3' } })).rejects.toMatchObject({
    code: Code.ResourceExhausted,
    rawMessage: expect.stringMatching(/^query_rows: /),
  });
  await expect(
    ask(
      'SELECT count() FROM (SELECT arrayJoin(range(100000)) AS a) AS a, (SELECT arrayJoin(range(10000000)) AS x) AS b SETTINGS max_memory_usage = 0, max_execution_time = 0',
    ),
  ).rejects.toMatchObject({ code: Code.ResourceExhausted });
});

test("errors keep ClickHouse's code and name", async () => {
  const error = (await ask('SELECT nope FROM events').catch((reason: unknown) => reason)) as ConnectError;
  expect(error.metadata.get(errorMetadata.code)).toBe('47');
  expect(error.metadata.get(errorMetadata.name)).toBe('UNKNOWN_IDENTIFIER');
});

test('every attempt to get out by this way is refused, or tells of nobody else', async () => {
  const answered = new Set<string>();
  for (const sql of refusedAttempts) {
    const answer = await ask(sql).catch((error: ConnectError) => error);
    if (answer instanceof ConnectError) expect([Code.InvalidArgument, Code.ResourceExhausted]).toContain(answer.code);
    else {
      answered.add(sql);
      for (const inside of [secret, theirs.sessionId, fixture.path]) expect(answer.text).not.toContain(inside);
    }
  }
  // What a client may ask and others may not: who the server is, its settings of no weight, its format, the tables that are shown.
  expect(
    [...answered].filter(
      (sql) =>
        !/version\(\)|system\.|user\(\)|timezone\(\)|Database\(\)|hostname\(\)|FORMAT|SETTINGS|DESCRIBE|SHOW TABLES|host|worktrail\.events$/i.test(
          sql,
        ),
    ),
  ).toEqual([]);
  for (const sql of confinedAttempts(secret)) {
    const answer = await ask(sql).catch((error: ConnectError) => ({ text: error.rawMessage }));
    expect(answer.text).not.toContain(theirs.sessionId);
    expect(answer.text.replaceAll(`'${secret}'`, '')).not.toContain(secret);
  }
});
