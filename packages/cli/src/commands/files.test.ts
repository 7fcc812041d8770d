import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { afterEach, expect, test } from 'vitest';
import { answer, type Route, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function setUp(route: Route) {
  const api = await startTestApi(route);
  servers.push(api);
  return { api, run: (...args: string[]) => startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' }) };
}

test('a directory is a table of all its pages', async () => {
  const item = { path: 'x', type: 'file', size: 2_048, executable: false };
  const pages = [
    { items: [{ ...item, name: 'bin', type: 'directory', size: null }], nextCursor: 'n' },
    {
      items: [
        { ...item, name: 'run', executable: true },
        { ...item, name: 'link', type: 'symlink' },
      ],
      nextCursor: null,
    },
  ];
  const { api, run } = await setUp((request, response) =>
    answer(response, 200, pages[request.url.searchParams.has('cursor') ? 1 : 0]),
  );
  const cli = run('files', 'ses_1', 'src', '--at', 'chk_1');
  expect(await cli.exitCode).toBe(0);
  expect(cli.stdout().toString()).toBe(
    [
      'TYPE          SIZE  NAME',
      'directory           bin/',
      'file       2.0 KiB  run*',
      'symlink    2.0 KiB  link@',
      '',
    ].join('\n'),
  );
  expect(Object.fromEntries(api.requests[0]!.url.searchParams)).toEqual({ limit: '200', path: 'src', at: 'chk_1' });
});

const bytes = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index % 256));

/** As the API answers, but that it gives at most 400 bytes at once. */
const serving =
  (etagOf: (offset: number) => string): Route =>
  (request, response) => {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    if (!range) return answer(response, 413, { code: 'body_too_large', detail: 'large' });
    const offset = Number(range[1]);
    const part = bytes.subarray(offset, offset + 400);
    response.writeHead(206, {
      'content-length': part.length,
      'content-range': `bytes ${offset}-${offset + part.length - 1}/1000`,
      etag: etagOf(offset),
    });
    response.end(part);
    return true;
  };

test('a file that is too large for one answer is read in ranges', async () => {
  const { api, run } = await setUp(serving(() => '"e"'));
  const cli = run('files', 'get', 'ses_1', 'a b/ü');
  expect(await cli.exitCode).toBe(0);
  expect(cli.stdout()).toEqual(bytes);
  expect(api.requests.map(({ path }) => path)).toEqual(
    Array.from({ length: 4 }, () => '/v1/sessions/ses_1/files/a%20b/%C3%BC'),
  );
});

test('a file that changes between two ranges is not given as one', async () => {
  const { run } = await setUp(serving((offset) => `"${offset}"`));
  const cli = run('files', 'get', 'ses_1', 'x');
  expect(await cli.exitCode).not.toBe(0);
  expect(cli.stderr()).toContain('has changed');
});

test('-o writes into a file, which stays as it is where there is nothing to write', async () => {
  const scratch = await makeScratch('files-get');
  try {
    const path = join(scratch.path, 'out');
    const { run } = await setUp(serving(() => '"e"'));
    expect(await run('files', 'get', 'ses_1', 'x', '-o', path).exitCode).toBe(0);
    expect(await readFile(path)).toEqual(bytes);
    const { run: runWithout } = await setUp(() => false);
    expect(await runWithout('files', 'get', 'ses_1', 'x', '-o', path).exitCode).toBe(3);
    expect(await readFile(path)).toEqual(bytes);
  } finally {
    await scratch.remove();
  }
});
