import { afterEach, expect, test } from 'vitest';
import { answer, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const proposal = {
  ...{ id: 'ppl_1', sessionId: 'ses_1', projectId: 'prj_1', title: 'A title', description: 'why', state: 'mergeable' },
  ...{
    targetBranch: 'main',
    baseCommit: 'b'.repeat(40),
    headCommit: 'h'.repeat(40),
    candidateTree: 't',
    filesChanged: 2,
  },
  ...{
    conflicts: ['a\u001b[31m'],
    checkSessionId: 'ses_2',
    approvals: [{ by: 'prn_2', at: '2026-01-02', comment: 'well done' }],
    requiredApprovals: 1,
  },
  checks: [{ command: 'npm test', outcome: 'exited', exitCode: 1, commandId: 'cmd_1' }],
  ...{
    mergeRequestedBy: null,
    pullRequest: null,
    detail: null,
    createdBy: 'prn_1',
    createdAt: '2026-01-01T00:00:00.000Z',
  },
};

/** Answers in order, the last one again and again. */
async function run(answers: object[], ...args: string[]) {
  let next = 0;
  const api = await startTestApi((_, response) => answer(response, 200, answers[Math.min(next++, answers.length - 1)]));
  servers.push(api);
  const cli = startCli(args, { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  const code = await cli.exitCode;
  const asked = api.requests.map(({ method, path }) => `${method} ${path}`);
  const body = api.requests[0]!.body.toString();
  return { code, out: cli.stdout().toString(), err: cli.stderr(), asked, body: body && JSON.parse(body) };
}

test('promote prints the id of the proposal and nothing else', async () => {
  const ran = await run([proposal], 'promote', 'ses_1', '--title', 'T');
  expect(ran).toMatchObject({ code: 0, out: 'ppl_1\n', err: '', asked: ['POST /v1/sessions/ses_1/proposals'] });
  expect(ran.body).toEqual({ title: 'T' });
  const unfit = { ...proposal, state: 'conflicted', detail: 'both have changed the same' };
  const { err } = await run([unfit], 'promote', 'ses_1');
  expect(err).toContain('conflicted: both have changed the same');
  expect(err).toContain('conflict  a');
});

test('merge waits while the request stands, and exits 1 when nothing was merged', async () => {
  const asked = { ...proposal, mergeRequestedBy: 'prn_1', state: 'checking' };
  const merged = { ...proposal, mergeRequestedBy: 'prn_1', state: 'merged', mergeCommit: 'm'.repeat(40) };
  expect(await run([asked, asked, merged], 'proposal', 'merge', 'ppl_1')).toMatchObject({
    ...{ code: 0, out: `ppl_1  merged  ${'m'.repeat(40)}\n` },
    asked: ['POST /v1/proposals/ppl_1/merge', 'GET /v1/proposals/ppl_1', 'GET /v1/proposals/ppl_1'],
  });
  const { err } = await run([asked, merged], 'proposal', 'merge', 'ppl_1');
  expect(err).toBe('worktrail: checking: 1 of 1 checks done\n');
  const failed = { ...asked, state: 'checks_failed' };
  expect(await run([asked, failed], 'proposal', 'merge', 'ppl_1')).toMatchObject({ code: 1 });
  expect(await run([asked], 'proposal', 'merge', 'ppl_1', '--detach')).toMatchObject({
    code: 0,
    out: 'ppl_1  checking\n',
  });
});

test('who waits for a merge may leave: the request stands, which is said', async () => {
  const asked = { ...proposal, mergeRequestedBy: 'prn_1', state: 'checking' };
  const api = await startTestApi((_, response) => answer(response, 200, asked));
  servers.push(api);
  const cli = startCli(['proposal', 'merge', 'ppl_1'], { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' });
  while (api.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  cli.raise('SIGINT');
  expect(await cli.exitCode).toBe(130);
  expect(cli.stderr()).toContain('stands: worktrail proposal show ppl_1');
});

test('merge of what is put up prints where, and does not wait for the people there; show and list have it too', async () => {
  const url = 'https://git.example.org/team/app/pull/7';
  const pullRequest = { host: 'github', url, number: 7, state: 'open', branch: 'b', by: null, mergedTree: null };
  const up = { ...proposal, mergeRequestedBy: 'prn_1', pullRequest };
  const ran = await run([{ ...up, pullRequest: null }, up], 'proposal', 'merge', 'ppl_1');
  expect(ran).toMatchObject({ code: 0, out: `ppl_1  mergeable  ${url} open\n` });
  const merged = {
    ...up,
    state: 'merged',
    mergeCommit: 'm',
    pullRequest: { ...pullRequest, state: 'merged', by: 'octo' },
  };
  const { out } = await run([merged], 'proposal', 'show', 'ppl_1');
  expect(out).toContain(`${url} merged`);
  expect(out).toMatch(/^merged there by +octo$/m);
  expect((await run([{ items: [up], nextCursor: null }], 'proposal', 'list', 'ses_1')).out).toContain(`${url} open`);
});

test('a decision names the head that it is about', async () => {
  const ran = await run([proposal], 'proposal', 'approve', 'ppl_1', '--comment', 'good', '--head', 'h');
  expect(ran).toMatchObject({
    asked: ['POST /v1/proposals/ppl_1/approve'],
    body: { comment: 'good', headCommit: 'h' },
  });
  expect(await run([{ ...proposal, state: 'closed' }], 'proposal', 'close', 'ppl_1')).toMatchObject({
    out: 'ppl_1  closed\n',
  });
});

test('show has the checks, and conflicts without what a terminal would obey', async () => {
  const { out, err } = await run([proposal], 'proposal', 'show', 'ppl_1');
  expect(out).toMatch(/^state +mergeable$/m);
  expect(out).toMatch(/^npm test +exited with 1 +cmd_1$/m);
  expect(out).toContain('conflict  a');
  expect(out).toMatch(/^approved +2026-01-02 by prn_2: well done$/m);
  expect(out).toMatch(/^description +why$/m);
  expect(err).toContain('worktrail logs ses_2 --command cmd_1');
  expect(out).not.toContain('\u001b');
});
