// ClickHouse's own clients, one from npm and one from PyPI, on a real cluster: both ask the README's example questions.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { createApi } from './api.ts';
import { exampleQuestions, root } from './example-questions.ts';
import { makeRepository } from './repository.ts';

const apiUrl = inject('apiUrl');
// An organization of its own: the questions show the most of all.
const operator = createApi(apiUrl, inject('operatorToken'));
const made = await operator.make('/v1/organizations', { name: 'clients', principal: { name: 'c', kind: 'user' } });
const apiKey = made.key.secret as string;
const api = createApi(apiUrl, apiKey);
const clickHouseConnect = 'clickhouse-connect==1.12.0';
let sessionId: string;

const npmClient = (password = apiKey) =>
  createClient({
    ...{ url: apiUrl, pathname: '/v1/clickhouse', username: 'anybody', password },
    log: { level: ClickHouseLogLevel.OFF },
  });

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'clickhouse-clients'), 5);
  const project = await api.make('/v1/projects', { name: 'clickhouse-clients', repository: { url: repository.path } });
  sessionId = (await api.make(`/v1/projects/${project.id}/sessions?waitSeconds=280`, {})).id;
  const command = "echo 'of clickhouse clients'; exit 9";
  const ran = await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command });
  expect(ran).toMatchObject({ state: 'ended', exitCode: 9 });
});

test('the README and the page show the questions as they are asked here', () => {
  for (const page of ['README.md', 'docs/clickhouse.md']) {
    const shown = readFileSync(`${root}/${page}`, 'utf8');
    for (const { sql } of exampleQuestions) expect(shown).toContain(sql);
  }
  expect(exampleQuestions).toHaveLength(5);
});

describe('@clickhouse/client', () => {
  test.each(exampleQuestions)('$title', async ({ title, sql }) => {
    const client = npmClient();
    const rows = await (await client.query({ query: sql, format: 'JSONEachRow' })).json<Record<string, unknown>>();
    if (/^Which commands fail|^The slowest/.test(title)) {
      expect(rows).toContainEqual(
        expect.objectContaining({ command: expect.stringContaining('of clickhouse clients') }),
      );
    }
    await client.close();
  });

  test('pings, binds parameters, reads as rows come, and is told errors as ClickHouse tells them', async () => {
    const client = npmClient();
    expect(await client.ping()).toEqual({ success: true });
    const bound = await client.query({
      query: 'SELECT {a:UInt8} + 1 AS n, {s:String} AS s, {l:Array(String)} AS l',
      query_params: { a: 5, s: "it's\t\\N {x:String}", l: ['a', "b'"] },
      format: 'JSONEachRow',
    });
    expect(await bound.json()).toEqual([{ n: 6, s: "it's\t\\N {x:String}", l: ['a', "b'"] }]);
    const many = await client.query({
      query: `SELECT arrayJoin(range(100000)) AS n FROM sessions WHERE session_id = '${sessionId}'`,
      format: 'JSONCompactEachRow',
    });
    let count = 0;
    for await (const rows of many.stream()) count += rows.length;
    expect(count).toBe(100_000);
    await expect(client.query({ query: 'SELECT nope FROM events' })).rejects.toMatchObject({
      ...{ code: '47', type: 'UNKNOWN_IDENTIFIER' },
    });
    await expect(client.query({ query: 'SELECT * FROM system.users' })).rejects.toThrow(/users/);
    await expect(client.command({ query: 'DROP TABLE events' })).rejects.toMatchObject({
      code: '164',
      type: 'READONLY',
    });
    await client.close();
  });

  test('without a key of the organization nobody is answered', async () => {
    const client = npmClient('no-such-key');
    await expect(client.query({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '516' });
    await client.close();
  });
});

test('clickhouse-connect asks the same questions, binds parameters, and is told errors', {
  timeout: 600_000,
}, async () => {
  const directory = join(inject('stateDirectory'), 'clickhouse-connect');
  await mkdir(directory, { recursive: true });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', directory];
  await promisify(execFile)('python3', [...install, clickHouseConnect]);
  const questions = exampleQuestions.map(({ sql }) => sql);
  const child = spawn('python3', [join(import.meta.dirname, 'clickhouse-client.py')], { stdio: 'pipe' });
  child.stdin.end(JSON.stringify({ port: Number(new URL(apiUrl).port), key: apiKey, directory, questions }));
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  expect(complained).toBe('');
  const { version, answers, bound, refused } = JSON.parse(said);
  expect(version).toMatch(/^\d+\.\d+/);
  expect(answers).toHaveLength(exampleQuestions.length);
  const client = npmClient();
  for (const [index, sql] of questions.entries()) {
    const result = await client.query({ query: sql, format: 'JSONCompact' });
    expect(answers[index].columns).toEqual((await result.json()).meta!.map(({ name }) => name));
  }
  await client.close();
  expect(JSON.stringify(answers)).toContain('of clickhouse clients');
  expect(bound).toEqual([[8, "it's\n{x}"]]);
  expect(refused).toMatch(/reserved/);
});

test('the API and the command line answer in the same formats', async () => {
  const ask = async (body: object) =>
    await fetch(`${apiUrl}/v1/query`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const sql = 'SELECT session_id, {n:UInt8} AS n FROM sessions WHERE session_id = {id:String}';
  const params = { n: 3, id: sessionId };
  expect(await (await ask({ sql, params })).json()).toMatchObject({ rows: [{ session_id: sessionId, n: 3 }] });
  const csv = await ask({ sql, params, format: 'csv' });
  expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
  expect(await csv.text()).toBe(`"session_id","n"\n"${sessionId}",3\n`);
  const parquet = Buffer.from(await (await ask({ sql, params, format: 'parquet' })).arrayBuffer());
  expect([parquet.subarray(0, 4), parquet.subarray(-4)].map(String)).toEqual(['PAR1', 'PAR1']);
  const refused = await ask({
    sql: 'SELECT length(groupArray(x)) FROM (SELECT arrayJoin(range(400000000)) AS x)',
    format: 'csv',
  });
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({
    errors: [{ path: 'sql', message: expect.stringMatching(/^query_memory: /) }],
  });
  const program = join(root, 'packages/cli/src/main.ts');
  const env = { ...process.env, WORKTRAIL_API_URL: apiUrl, WORKTRAIL_API_KEY: apiKey, NO_COLOR: '1' };
  const own = `SELECT session_id FROM sessions WHERE session_id = '${sessionId}'`;
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'sql', own, '--format', 'jsonl'], { env });
  expect(JSON.parse(stdout)).toEqual({ session_id: sessionId });
});
