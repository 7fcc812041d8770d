import { afterEach, expect, test } from 'vitest';
import { answer, type CliOptions, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const item = (sessionId: string, trialId: string, title: string) => ({
  ...{ sessionId, trialId, title, verdict: 'passed', reason: null, commits: 0, filesChanged: 1, additions: 3 },
  ...{ deletions: 2, commands: 2, durationSeconds: 1.5, tokens: null, cost: null },
  proposal: { id: 'ppl_1', state: 'merged' },
});
const unknown = { verdict: null, commits: null, filesChanged: null, additions: null, durationSeconds: null };
const comparison = {
  taskId: 'tsk_1',
  items: [
    item('ses_1', 'trl_2', 'one'),
    item('ses_2', 'trl_2', 'two'),
    { ...item('ses_3', 'trl_1', 'earlier'), ...unknown, reason: 'it was lost' },
  ],
};
const end = { checkpointId: null, commit: 'c' };
const diffOf = (text: string, path = 'answer') => ({
  files: [{ path, status: 'added', additions: 1, deletions: 0, binary: false }],
  patch: `diff --git a/${path} b/${path}\nnew file mode 100644\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+${text}\n`,
  ...{ filesTruncated: false, truncated: false, patchIsExact: true, from: end, to: end, upToDate: true },
});
const diffs: Record<string, object> = { ses_1: diffOf('42\u001b[2J'), ses_2: diffOf('43'), ses_3: diffOf('41') };

async function run(args: string[], options?: CliOptions, env: NodeJS.ProcessEnv = {}) {
  const api = await startTestApi(({ path }, response) => {
    if (path.endsWith('/comparison')) return answer(response, 200, comparison);
    const diff = diffs[path.split('/')[3]!];
    return diff ? answer(response, 200, diff) : answer(response, 409, { code: 'session_failed', detail: 'it failed' });
  });
  servers.push(api);
  const cli = startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k', ...env }, options);
  const code = await cli.exitCode;
  return { code, out: cli.stdout().toString(), err: cli.stderr(), asked: api.requests.map(({ path }) => path) };
}

test('without --diff it is a table of every session of the trials', async () => {
  const { code, out, asked } = await run(['compare', 'tsk_1']);
  expect([code, asked]).toEqual([0, ['/v1/tasks/tsk_1/comparison']]);
  const lines = out.split('\n');
  expect(lines[1]).toMatch(/^1 +ses_1 +one +passed +0 +1 +\+3 -2 +2 +1\.5 s +ppl_1 merged/);
  expect(lines[3]).toMatch(/^3 +ses_3 .* it was lost$/);
});

test("--diff shows the newest trial's sessions beside each other, as plain text in a pipe", async () => {
  const { code, out, err, asked } = await run(['compare', 'tsk_1', '--diff', '--width', '80']);
  expect([code, err, asked.length]).toEqual([0, '', 3]);
  expect(out.split('\n\n')[1]).toBe(
    [
      'answer',
      '  │ 1 one: added, +1 -0                  │ 2 two: added, +1 -0',
      '  │ +42                                  │ +43',
      '',
    ].join('\n'),
  );
});

test('sessions are chosen by name and files by path; --json has the same', async () => {
  const { out } = await run(['compare', 'tsk_1', 'ses_3', 'ses_1', '--diff', '--json']);
  const document = JSON.parse(out);
  expect(document.sessions).toMatchObject([{ sessionId: 'ses_3', diff: { from: end } }, { sessionId: 'ses_1' }]);
  expect(document.files).toMatchObject([
    { path: 'answer', changes: [{ sessionId: 'ses_3', hunks: [{ lines: ['+41'] }] }, { sessionId: 'ses_1' }] },
  ]);
  expect((await run(['compare', 'tsk_1', 'ses_9', '--diff'])).code).toBe(3);
  const none = await run(['compare', 'tsk_1', '--path', 'src/**']);
  expect([none.code, none.err]).toEqual([0, 'No file differs from what the sessions began with.\n']);
  expect((await run(['compare', 'tsk_1', '--path', 'ans*'])).out).toContain('+42');
});

test('a session that cannot be read is named, and the others are shown', async () => {
  const { ses_2: saved } = diffs;
  delete diffs['ses_2'];
  const { code, out, err } = await run(['compare', 'tsk_1', '--diff']);
  diffs['ses_2'] = saved!;
  expect([code, err]).toEqual([0, 'ses_2: its changes could not be read: it failed (session_failed)\n']);
  expect(out).toContain('+42');
});

test('on a terminal it is in colours and goes through the pager, unless there is none', async () => {
  const paged: string[] = [];
  const terminal: CliOptions = {
    stdoutIsTerminal: true,
    runPager: async (command, _, text) => paged.push(command, text) === 2,
  };
  const { code, out } = await run(['compare', 'tsk_1', '--diff'], terminal, { PAGER: 'most' });
  expect([code, out, paged[0]]).toEqual([0, '', 'most']);
  expect(paged[1]).toContain('\u001b[32m+43');
  expect(paged[1]).not.toContain('\u001b[2J');
  expect((await run(['compare', 'tsk_1', '--diff'], terminal, { PAGER: 'cat' })).out).toContain('+43');
  expect((await run(['compare', 'tsk_1', '--diff'], { stdoutIsTerminal: true })).out).toContain('+43');
});
