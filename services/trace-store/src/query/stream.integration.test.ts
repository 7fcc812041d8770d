// Answers in formats and piece by piece, on a real ClickHouse: what they hold, at which limits they end, and that what nobody waits for ends.

import { readdir } from 'node:fs/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { tableFromIPC } from 'apache-arrow';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { confinedAttempts, refusedAttempts } from './attempts.ts';
import { errorMetadata } from './errors.ts';
import { ended, type Fixture, newSession, openFixture, output, publisher, queued } from '../trace-store-fixture.ts';

let fixture: Fixture;
const mine = newSession();
const theirs = newSession();
const secret = 'their secret output';

beforeAll(async () => {
  fixture = await openFixture('query-stream');
  await fixture.start();
  for (const session of [mine, theirs]) {
    const publish = publisher(fixture.js, session);
    const text = session === mine ? 'my "own", output' : secret;
    const command = newId('command');
    await publish('session', 1, { case: 'sessionCreated', value: { title: text } });
    await publish(command, 1, queued(`echo ${text}`));
    await publish(command, 2, output('stdout', 0, 0, Buffer.from(text)));
    await publish(command, 3, ended(7, text.length, 0));
  }
});

afterAll(() => fixture.close());

const timeoutMs = 60_000;

async function ask(sql: string, format: string, signal?: AbortSignal) {
  const pieces: Uint8Array[] = [];
  let [start, limit]: [string, string | undefined] = ['', undefined];
  const question = { organizationId: mine.organizationId, sql, format };
  for await (const { part } of fixture.impatient.queryStream(question, { timeoutMs, ...(signal && { signal }) })) {
    if (part.case === 'start') start = part.value.format;
    if (part.case === 'bytes') pieces.push(part.value);
    if (part.case === 'end') limit = part.value.limit;
  }
  const bytes = Buffer.concat(pieces);
  return { start, limit, bytes, text: bytes.toString('utf8') };
}

const numbers = (count: number) => `(SELECT arrayJoin(range(${count})) AS x FROM sessions)`;

const sample = `SELECT 1 AS n, title AS "a title", toDateTime64('2026-01-02 03:04:05', 3, 'UTC') AS t, number FROM sessions
  CROSS JOIN (SELECT arrayJoin(range(3)) AS number) AS x ORDER BY number LIMIT 2`;

test.each([
  ['JSONEachRow', '{"n":1,"a title":"my \\"own\\", output","t":"2026-01-02T03:04:05.000Z","number":0}\n'],
  ['CSVWithNames', '"n","a title","t","number"\n1,"my ""own"", output","2026-01-02T03:04:05.000Z",0\n1,'],
  ['TSV', '1\tmy "own", output\t2026-01-02T03:04:05.000Z\t0\n1\t'],
  ['JSONCompactEachRowWithNamesAndTypes', '["n", "a title", "t", "number"]\n["UInt8", "String", "DateTime64'],
])('%s has every row, and its head once', async (format, beginning) => {
  const { text, limit } = await ask(sample, format);
  expect(text.slice(0, beginning.length)).toBe(beginning);
  expect(text).toMatch(/\n$/);
  expect(limit).toBe('');
});

test('documents are whole', async () => {
  const json = JSON.parse((await ask(sample, 'JSON')).text) as { rows: number; meta: { type: string }[] };
  expect(json).toMatchObject({ rows: 2, meta: [{ type: 'UInt8' }, { type: 'String' }, {}, {}] });
  const parquet = await ask('SELECT type, data, time FROM events', 'Parquet');
  expect(parquet.bytes.subarray(0, 4).toString()).toBe('PAR1');
  expect(parquet.bytes.subarray(-4).toString()).toBe('PAR1');
  expect((await ask(sample, 'Arrow')).bytes.subarray(0, 6).toString()).toBe('ARROW1');
  expect((await ask(sample, 'RowBinaryWithNamesAndTypes')).bytes[0]).toBe(4);
  expect((await ask(sample, 'Native')).bytes.subarray(0, 2)).toEqual(Buffer.from([4, 2]));
  expect((await ask('SELECT 1 AS a FROM events WHERE 0', 'Native')).bytes).toEqual(
    Buffer.from('\x01\x00\x01a\x05UInt8'),
  );
  expect((await ask('SELECT 1 AS a FROM events WHERE 0', 'CSVWithNames')).text).toBe('"a"\n');
  expect(await ask('SELECT 1 AS a FROM events WHERE 0', 'JSONEachRow')).toMatchObject({
    text: '',
    start: 'JSONEachRow',
  });
});

test('a document of many blocks is one', async () => {
  const json = await ask(`SELECT x FROM ${numbers(300_000)} ORDER BY x`, 'JSONCompact');
  const { rows, data } = JSON.parse(json.text) as { rows: number; data: number[][] };
  expect([rows, data.length, data.at(-1)]).toEqual([300_000, 300_000, [299_999]]);
});

const many = `SELECT x, concat(toString(x), repeat('"', 200)) AS pad, [x] AS list, toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC') AS time,
  CAST('a', 'LowCardinality(String)') AS low, if(x % 2 = 0, NULL, 'odd') AS half FROM ${numbers(400_000)} ORDER BY x`;
const read = [0, 199_999, 399_999].map((x) => ({
  x,
  pad: `${x}${'"'.repeat(200)}`,
  low: 'a',
  half: x % 2 === 0 ? null : 'odd',
}));

test('Parquet of more than memory would hold is whole', async () => {
  const { bytes, limit } = await ask(many, 'Parquet');
  expect(limit).toBe('');
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  expect(Number(parquetMetadata(file).num_rows)).toBe(400_000);
  for (const expected of read) {
    const [row] = await parquetReadObjects({ file, rowStart: expected.x, rowEnd: expected.x + 1 });
    expect(row).toMatchObject({ ...expected, list: [expected.x], time: new Date('2026-01-02T03:04:05.678Z') });
  }
});

test.each(['Arrow', 'ArrowStream'])('%s of more than memory would hold is whole', async (format) => {
  const { bytes } = await ask(many, format);
  expect(bytes.length).toBeGreaterThan(80_000_000);
  const table = tableFromIPC(bytes);
  expect(table.numRows).toBe(400_000);
  for (const expected of read) {
    const row = table.get(expected.x)!;
    expect({ x: row['x'], pad: row['pad'], low: row['low'], half: row['half'] }).toEqual(expected);
    expect([...row['list'], row['time']]).toEqual([expected.x, Date.parse('2026-01-02T03:04:05.678Z')]);
  }
});

test('without rows it still has its columns', async () => {
  const sql = "SELECT 1 AS a, '' AS b FROM events WHERE 0";
  const { bytes } = await ask(sql, 'Parquet');
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  expect(
    parquetMetadata(file)
      .schema.slice(1)
      .map(({ name }) => name),
  ).toEqual(['a', 'b']);
  expect(tableFromIPC((await ask(sql, 'Arrow')).bytes).schema.fields.map(({ name }) => name)).toEqual(['a', 'b']);
});

test('an answer of many megabytes comes in pieces', async () => {
  const { bytes } = await ask("SELECT arrayJoin(range(300000)) AS n, repeat('x', 100) AS pad FROM sessions", 'CSV');
  expect(bytes.toString('latin1').split('\n')).toHaveLength(300_001);
});

test.each([
  ['query_time', `SELECT count() FROM ${numbers(2_000_000)} AS a, ${numbers(2_000_000)} AS b`, 'CSV'],
  ['query_memory', `SELECT length(groupArray(x)) FROM ${numbers(400_000_000)}`, 'CSV'],
  ['query_memory', `SELECT repeat('x', 1000000) FROM ${numbers(10_000)}`, 'JSONEachRow'],
  ['query_memory', `SELECT repeat('x', 1000000) FROM ${numbers(10_000)}`, 'Native'],
  ['query_bytes', `SELECT repeat('x', 10000) FROM ${numbers(40_000)}`, 'Parquet'],
  ['query_bytes', `SELECT repeat('x', 10000) FROM ${numbers(40_000)}`, 'Arrow'],
  ['query_bytes', `SELECT CAST(repeat('x', 10000), 'LowCardinality(String)') FROM ${numbers(40_000)}`, 'ArrowStream'],
  ['query_time', `SELECT count() FROM ${numbers(2_000_000)} AS a, ${numbers(2_000_000)} AS b`, 'Arrow'],
  ['query_rows', `SELECT 1 FROM ${numbers(1_000_001)}`, 'JSON'],
])('what is over %s is stopped and named, and the store goes on', async (limit, sql, format) => {
  const error = (await ask(sql, format).catch((reason: unknown) => reason)) as ConnectError;
  expect(error).toBeInstanceOf(ConnectError);
  expect(error.code).toBe(Code.ResourceExhausted);
  expect(error.rawMessage).toMatch(new RegExp(`^${limit}: `));
  expect(error.metadata.get(errorMetadata.limit)).toBe(limit);
  expect((await ask('SELECT 1 AS one', 'CSV')).text).toBe('1\n');
  expect(await readdir(`${fixture.path}/clickhouse-answers`)).toEqual([]);
});

test.each(['Arrow', 'CSV'])(
  'who leaves %s while it is made or sent leaves nothing behind',
  async (format) => {
    const leave = async (at: number | 'first piece') => {
      const gone = new AbortController();
      if (at !== 'first piece') setTimeout(() => gone.abort(), at);
      const sql = `SELECT a.x, repeat('x', 200) AS pad FROM ${numbers(600)} AS a, ${numbers(600)} AS b`;
      const question = { organizationId: mine.organizationId, sql, format };
      for await (const { part } of fixture.impatient.queryStream(question, { signal: gone.signal, timeoutMs })) {
        if (at === 'first piece' && part.case === 'bytes' && part.value.length > 0) gone.abort();
      }
    };
    // More than an organization may have under way, and than there may be documents.
    for (let index = 0; index < 18; index++) {
      const at = index % 2 ? 10 * index : 'first piece';
      await expect(leave(at)).rejects.toMatchObject({ code: Code.Canceled });
      await vi.waitFor(async () => expect((await ask('SELECT 1 AS one', format)).limit).toBe(''), { timeout: 60_000 });
    }
    await expect.poll(() => readdir(`${fixture.path}/clickhouse-answers`)).toEqual([]);
  },
  300_000,
);

test.each(['toIntervalDay(1)', 'NULL', 'tuple()', '[[]]', 'map()'])(
  '%s, which a document cannot hold, is refused',
  async (value) => {
    await expect(ask(`SELECT ${value} AS v FROM ${numbers(3)}`, 'Parquet')).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });
    expect((await ask('SELECT 1 AS one', 'Parquet')).limit).toBe('');
    expect(await readdir(`${fixture.path}/clickhouse-answers`)).toEqual([]);
  },
);

test('what comes to its limit while it is read ends at the end of a row, and says at which', async () => {
  const { text, limit } = await ask(
    `SELECT a.x, repeat('x', 300) FROM ${numbers(3_000)} AS a, ${numbers(3_000)} AS b`,
    'CSV',
  );
  expect(['query_bytes', 'query_time']).toContain(limit);
  expect(text.endsWith(`"\n`)).toBe(true);
});

test('within one call of a function no limit is looked at: nobody waits for it', async () => {
  const endless = "SELECT position(repeat('a', 1000000), concat(repeat('a', 200000), 'b'))";
  const error = (await ask(endless, 'CSV').catch((reason: unknown) => reason)) as ConnectError;
  expect(error).toMatchObject({ code: Code.ResourceExhausted, rawMessage: expect.stringMatching(/^query_time: /) });
});

test('every attempt to get out is refused here, too, and none tells of others', async () => {
  for (const sql of refusedAttempts) {
    const error = (await ask(sql, 'JSONEachRow').catch((reason: unknown) => reason)) as ConnectError;
    expect({
      sql,
      refused: error instanceof ConnectError && [Code.InvalidArgument, Code.ResourceExhausted].includes(error.code),
    }).toEqual({ sql, refused: true });
  }
  for (const sql of confinedAttempts(secret)) {
    const answer = await ask(sql, 'JSONCompactEachRow').catch((error: ConnectError) => ({ text: error.rawMessage }));
    expect(answer.text.replaceAll(`'${secret}'`, '')).not.toContain(secret);
    expect(answer.text).not.toContain(theirs.sessionId);
  }
});

test('a format that is not offered is refused by name', async () => {
  await expect(ask('SELECT 1', 'Template')).rejects.toMatchObject({
    code: Code.InvalidArgument,
    rawMessage: expect.stringMatching(/^format is one of/),
  });
});

test('a statement whose asker has gone ends, and its place is free', async () => {
  await fixture.start({ querySecondsMax: 600 });
  const slow = `SELECT count() FROM ${numbers(2_000_000)} AS a, ${numbers(2_000_000)} AS b`;
  // More than there are places.
  for (const afterMs of [1, 10, 30, 70, 200, 400]) {
    const gone = new AbortController();
    const asking = ask(slow, 'CSV', gone.signal);
    setTimeout(() => gone.abort(), afterMs);
    await expect(asking).rejects.toMatchObject({ code: Code.Canceled });
  }
  await vi.waitFor(async () => expect((await ask('SELECT 1', 'CSV')).text).toBe('1\n'), { timeout: 60_000 });
});
