import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { answer, type Route, startCli, startTestApi, type TestApi } from '../test-api.ts';

let scratch: Scratch;
let path: string;
const servers: TestApi[] = [];
beforeAll(async () => {
  scratch = await makeScratch('cli-export');
  path = join(scratch.path, 'session.jsonl');
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  for (const name of [path, `${path}.part`]) await rm(name, { force: true });
});
afterAll(() => scratch.remove());

const header = `${JSON.stringify({ format: 'worktrail.session/1', session: { id: 'ses_1' } })}\n`;
const events = Array.from(
  { length: 6 },
  (_, index) => `${JSON.stringify({ cursor: `c${index}`, type: 'usage', text: 'ü'.repeat(9) })}\n`,
);

function ended(lines: string[]): string {
  const text = lines.join('');
  const count = lines.filter((line) => line !== header).length;
  const cursor = count === 0 ? null : 'c5';
  const sha256 = createHash('sha256').update(text).digest('hex');
  return `${text}${JSON.stringify({ end: { events: count, cursor, sha256, inherited: {} } })}\n`;
}
const whole = Buffer.from(ended([header, ...events]));

/** Each answer is cut off after so many bytes; once there is none left, it is whole. */
async function setUp(cuts: number[]) {
  const route: Route = (request, response) => {
    const after = request.url.searchParams.get('after');
    const rest = after === null ? [header, ...events] : events.slice(Number(after.slice(1)) + 1);
    const bytes = Buffer.from(ended(rest));
    const cut = cuts.shift();
    response.writeHead(200, { 'content-type': 'application/jsonl' });
    if (cut === undefined) response.end(bytes);
    else response.write(bytes.subarray(0, cut), () => setTimeout(() => response.destroy(), 5));
    return true;
  };
  const api = await startTestApi(route);
  servers.push(api);
  return { api, run: (...args: string[]) => startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' }) };
}

test('what was cut off at any place goes on there, and the file is the same as if nothing had happened', async () => {
  for (const cut of [0, 10, header.length, header.length + 1, header.length + 90, whole.length - 5]) {
    const { run } = await setUp([cut, 30]);
    const cli = run('export', 'ses_1', '-o', path);
    expect(await cli.exitCode, cli.stderr()).toBe(0);
    expect(await readFile(path)).toEqual(whole);
    await rm(path);
  }
}, 60_000);

test('what another run has left is gone on with only where that is asked for', async () => {
  const { api, run } = await setUp([]);
  await writeFile(`${path}.part`, header + events[0]! + events[1]!.slice(0, 12));
  const refused = run('export', 'ses_1', '-o', path);
  expect(await refused.exitCode).not.toBe(0);
  expect(refused.stderr()).toContain('--resume goes on with it');
  expect(await run('export', 'ses_1', '-o', path, '--resume').exitCode).toBe(0);
  expect(api.requests.map(({ url }) => url.searchParams.get('after'))).toEqual(['c0']);
  expect(await readFile(path)).toEqual(whole);
  const again = run('export', 'ses_1', '-o', path, '--resume');
  expect(await again.exitCode).not.toBe(0);
  expect(again.stderr()).toContain('is there already');
});

test('one that was whole but for its name is whole, and what is not of this session is left alone', async () => {
  const { run } = await setUp([]);
  await writeFile(`${path}.part`, whole);
  expect(await run('export', 'ses_1', '-o', path, '--resume').exitCode).toBe(0);
  expect(await readFile(path)).toEqual(whole);
  await rm(path);
  await writeFile(`${path}.part`, whole);
  const other = run('export', 'ses_2', '-o', path, '--resume');
  expect(await other.exitCode).not.toBe(0);
  expect(other.stderr()).toContain('not the beginning of an export of this session');
  expect(await readFile(`${path}.part`)).toEqual(whole);
});

test('on stdout what is not what its checksum says is an error', async () => {
  const { run } = await setUp([whole.length - 3]);
  const cli = run('export', 'ses_1');
  expect(await cli.exitCode).not.toBe(0);
  const { run: good } = await setUp([]);
  const written = good('export', 'ses_1');
  expect(await written.exitCode).toBe(0);
  expect(written.stdout()).toEqual(whole);
});

test('a project is a file for each session that was made in the time, and goes on with what the manifest does not name', async () => {
  const sessions = ['ses_3', 'ses_1', 'ses_2'].map((id, index) => ({
    id,
    createdAt: `2026-0${3 - index}-01T00:00:00.000Z`,
  }));
  let failing = 'ses_1';
  const projectId = `prj_${'0'.repeat(26)}`;
  const api = await startTestApi((request, response) => {
    if (request.path === '/v1/sessions') return answer(response, 200, { items: sessions, nextCursor: null });
    const id = request.path.split('/')[3]!;
    if (id === failing) return answer(response, 404, { code: 'not_found', detail: 'gone' });
    const own = header.replace('ses_1', id);
    const text = own + events.join('');
    const end = { events: 6, cursor: 'c5', sha256: createHash('sha256').update(text).digest('hex'), inherited: {} };
    response.end(`${text}${JSON.stringify({ end })}\n`);
    return true;
  });
  servers.push(api);
  const directory = join(scratch.path, 'project');
  const run = (...args: string[]) =>
    startCli(['export', '-p', projectId, '-o', directory, '--from', '2026-02-01', ...args], {
      WORKTRAIL_API_URL: api.url,
      WORKTRAIL_API_KEY: 'k',
    });
  expect(await run().exitCode).not.toBe(0);
  failing = '';
  expect(await run().exitCode).not.toBe(0);
  await writeFile(join(directory, 'manifest.jsonl'), '{"path":"torn', { flag: 'a' });
  const cli = run('--resume');
  expect(await cli.exitCode, cli.stderr()).toBe(0);
  const manifest = (await readFile(join(directory, 'manifest.jsonl'), 'utf8')).trimEnd().split('\n');
  const lines = manifest.map((line) => JSON.parse(line));
  expect(lines.map(({ path, events: count, cursor }) => [path, count, cursor])).toEqual([
    ['2026-03/ses_3.jsonl', 6, 'c5'],
    ['2026-02/ses_1.jsonl', 6, 'c5'],
  ]);
  for (const line of lines) {
    const bytes = await readFile(join(directory, line.path));
    expect(line).toMatchObject({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  expect(api.requests.filter(({ path: asked }) => asked.includes('ses_3'))).toHaveLength(1);
});
