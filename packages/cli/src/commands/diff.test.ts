import { afterEach, expect, test } from 'vitest';
import { createStyle } from '../screen/style.ts';
import { answer, type Route, startCli, startTestApi, type TestApi } from '../test-api.ts';
import { paintPatch } from './diff.ts';

const servers: TestApi[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function setUp(route: Route) {
  const api = await startTestApi(route);
  servers.push(api);
  return { api, run: (...args: string[]) => startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' }) };
}

const end = { checkpointId: null, commit: 'c' };
const found = {
  files: [
    { path: 'src/a.js', status: 'modified', additions: 3, deletions: 1, binary: false },
    { path: 'new name', oldPath: 'old name', status: 'renamed', additions: 0, deletions: 0, binary: false },
    { path: 'logo.png', status: 'added', additions: 0, deletions: 0, binary: true },
    { path: 'evil\u001b[2J', status: 'mode_changed', additions: 0, deletions: 0, binary: false },
  ],
  ...{ filesTruncated: false, patch: '', truncated: false, patchIsExact: true, from: end, to: end, upToDate: true },
};

test('a table of files, with the sums beside it', async () => {
  const { api, run } = await setUp((_, response) => answer(response, 200, found));
  const cli = run('diff', 'ses_1', '--from', 'chk_1');
  expect(await cli.exitCode).toBe(0);
  expect(cli.stdout().toString()).toBe(
    [
      'STATUS             +  -  FILE',
      'modified           3  1  src/a.js',
      'renamed            0  0  old name → new name',
      'added         binary     logo.png',
      'mode changed       0  0  evil',
      '',
    ].join('\n'),
  );
  expect(cli.stderr()).toBe('4 files changed, 3 additions, 1 deletions\n');
  const { path, url } = api.requests[0]!;
  expect([path, Object.fromEntries(url.searchParams)]).toEqual([
    '/v1/sessions/ses_1/diff',
    { from: 'chk_1', to: 'head', patch: 'false' },
  ]);
});

test('--stat gives the sums alone, --json the document; what is not in it yet is said', async () => {
  const { run } = await setUp((_, response) => answer(response, 200, { ...found, files: [], upToDate: false }));
  const sums = run('diff', 'ses_1', '--stat');
  expect([await sums.exitCode, sums.stdout().toString()]).toEqual([0, '0 files changed, 0 additions, 0 deletions\n']);
  expect(sums.stderr()).toContain('not in this comparison yet');
  const document = run('diff', 'ses_1', '--json');
  await document.exitCode;
  expect(JSON.parse(document.stdout().toString())).toMatchObject({ upToDate: false });
});

test('--patch passes the bytes on as they are', async () => {
  const patch = Buffer.from([0x64, 0x69, 0x66, 0x66, 0xff, 0x1b, 0x0a]);
  const { api, run } = await setUp((_, response) => {
    response.writeHead(200, { 'content-type': 'text/x-diff', 'x-truncated': 'true' }).end(patch);
    return true;
  });
  const cli = run('diff', 'ses_1', '--patch');
  // What is cut is not the whole change.
  expect(await cli.exitCode).toBe(1);
  expect(cli.stdout()).toEqual(patch);
  expect(cli.stderr()).toContain('cut');
  expect(api.requests[0]!.headers.accept).toBe('text/x-diff');
});

test('on a terminal a patch has colours, and nothing that the terminal would act on', () => {
  const patch = [
    'diff --git a/x b/x',
    '--- a/x',
    '+++ b/x',
    '@@ -1 +1 @@',
    '-\told\u001b[2J',
    '+new',
    ' same',
    'diff --git a/y b/y',
  ];
  const painted = paintPatch(patch.join('\n'), createStyle(true)).split('\n');
  expect(painted).toEqual([
    ...patch.slice(0, 3).map((line) => `\u001b[1m${line}\u001b[22m`),
    '\u001b[36m@@ -1 +1 @@\u001b[39m',
    '\u001b[31m-    old\u001b[39m',
    '\u001b[32m+new\u001b[39m',
    ' same',
    '\u001b[1mdiff --git a/y b/y\u001b[22m',
  ]);
});
