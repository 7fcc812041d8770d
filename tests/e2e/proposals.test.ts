// The only way to main: three attempts, one of them chosen, checked on exactly what would land, approved by another, merged.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, outputOf, readHistory, trialEnd } from './api.ts';
import { makeRepository } from './repository.ts';

const run = promisify(execFile);
const api = createApi(inject('apiUrl'), inject('apiKey'));
let reviewer: ReturnType<typeof createApi>;
let upstream: string;
let clone: string;
let projectId: string;

const git = async (directory: string, ...args: string[]) => {
  const identity = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.org'];
  return (await run('git', ['-C', directory, ...identity, ...args])).stdout.trim();
};

beforeAll(async () => {
  const root = join(inject('repositoryRoot'), 'proposals');
  clone = (await makeRepository(join(root, 'clone'), 10)).path;
  upstream = join(root, 'upstream.git');
  await run('git', ['clone', '-q', '--bare', clone, upstream]);
  await git(clone, 'remote', 'add', 'origin', upstream);
  const approval = { requiredApprovals: 1, requiredChecks: ['test -s answer', 'echo "checked $(cat answer)"'] };
  projectId = (await api.make('/v1/projects', { name: 'proposals', repository: { url: upstream }, approval })).id;
  const principal = await api.make('/v1/principals', { name: 'Grace Reviewer', kind: 'user' });
  const key = await api.make('/v1/keys', { principalId: principal.id, scopes: ['read', 'approve'] });
  reviewer = createApi(inject('apiUrl'), key.secret);
});

/** Somebody else pushes to main. */
async function pushToMain(name: string, content: string): Promise<string> {
  await git(clone, 'fetch', '-q', 'origin');
  await git(clone, 'reset', '-q', '--hard', 'origin/main');
  await writeFile(join(clone, name), content);
  await git(clone, 'add', '.');
  await git(clone, 'commit', '-qm', `Add ${name}`);
  await git(clone, 'push', '-q', 'origin', 'HEAD:main');
  return git(clone, 'rev-parse', 'HEAD');
}

const worktrail = (...args: string[]) => {
  const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
  return run(process.execPath, [program, ...args], {
    env: { ...process.env, WORKTRAIL_HOME: inject('stateDirectory') },
  });
};

const show = async (id: string) => (await api.get(`/v1/proposals/${id}`)).body;

async function untilState(id: string, ...states: string[]): Promise<any> {
  let proposal: any;
  const state = async () => (proposal = await show(id)).state;
  await expect.poll(state, { timeout: 240_000, interval: 200 }).toBeOneOf(states);
  return proposal;
}

async function makeSession(title: string, command: string): Promise<any> {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title });
  const ran = await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, { command });
  expect(ran).toMatchObject({ outcome: 'exited', exitCode: 0 });
  return session;
}

test('of three attempts the chosen one is checked, approved by another, and merged as it was checked; the others are untouched', async () => {
  const task = await api.make(`/v1/projects/${projectId}/tasks`, { title: 'Find the answer' });
  const trial = await api.make(`/v1/tasks/${task.id}/trials`, {
    attempts: [
      { title: 'by thought', commands: ['printf "42\\n" > answer'] },
      { title: 'by guess', commands: ['printf "a\\nb\\n" > other; rm src/1/file-1.txt; echo more >> README.md'] },
      { title: 'by commit', commands: ['echo 43 > answer', 'git add answer && git commit -qm "The answer"'] },
    ],
    verify: ['test -s answer'],
  });
  const ended = await trialEnd(api, trial.id);
  expect(ended.sessions.map(({ verdict }: any) => verdict)).toEqual(['passed', 'failed', 'passed']);

  const comparison = (await api.get(`/v1/tasks/${task.id}/comparison`)).body;
  expect(comparison.items).toMatchObject([
    { verdict: 'passed', commits: 0, filesChanged: 1, additions: 1, deletions: 0, commands: 2, tokens: null },
    { verdict: 'failed', commits: 0, filesChanged: 3, additions: 3, deletions: 20, commands: 2, cost: null },
    { verdict: 'passed', commits: 1, filesChanged: 1, additions: 1, deletions: 0, commands: 3 },
  ]);
  const [chosen, failing, other] = comparison.items.map(({ sessionId }: any) => sessionId as string);
  const compared = await worktrail('compare', task.id, '--diff', '--path', 'answer', '--width', '120');
  expect(compared.stdout.split('\n\n')[1]).toMatch(
    /^answer\n.*by thought: added, \+1 -0 .*unchanged .*by commit: added/,
  );
  expect(compared.stdout).toMatch(/\n +│ \+42 +│ +│ \+43\n$/);
  const document = JSON.parse((await worktrail('compare', task.id, chosen, failing, '--diff', '--json')).stdout);
  expect(document.files.map(({ path }: any) => path)).toEqual(['README.md', 'answer', 'other', 'src/1/file-1.txt']);
  const survey =
    'git status --porcelain; git log --format=%H -3; find . -path ./.git -prune -o -type f -print | sort | xargs sha256sum';
  const look = async (sessionId: string) =>
    (await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command: survey })).output.text;
  const before = [await look(failing), await look(other)];

  // A required check fails for the one that the verifier refused too.
  const hopeless = await api.make(`/v1/sessions/${failing}/proposals`);
  expect(await untilState(hopeless.id, 'checks_failed', 'awaiting_approval')).toMatchObject({
    state: 'checks_failed',
    checks: [{ outcome: 'exited', exitCode: 1 }, { outcome: null }],
  });
  expect((await api.post(`/v1/proposals/${hopeless.id}/merge`)).status).toBe(409);
  expect(await api.make(`/v1/proposals/${hopeless.id}/close`)).toMatchObject({ state: 'closed' });

  const opened = await api.make(`/v1/sessions/${chosen}/proposals`, { description: 'Approved-by: nobody' });
  expect(opened).toMatchObject({ sessionId: chosen, title: 'by thought', headCommit: expect.any(String) });
  const refused = await api.post(`/v1/proposals/${opened.id}/approve`);
  expect([refused.status, refused.body.code]).toEqual([403, 'author_may_not_approve']);
  const waiting = await untilState(opened.id, 'awaiting_approval', 'checks_failed');
  expect(waiting).toMatchObject({ state: 'awaiting_approval', filesChanged: 1, approvals: [], requiredApprovals: 1 });
  expect(waiting.checks).toMatchObject([
    { command: 'test -s answer', outcome: 'exited', exitCode: 0 },
    { outcome: 'exited', exitCode: 0 },
  ]);
  const checked = await readHistory(api, waiting.checkSessionId);
  expect(outputOf(checked, waiting.checks[1].commandId, 'stdout').toString()).toBe('checked 42\n');
  const early = await api.post(`/v1/proposals/${opened.id}/merge`);
  expect([early.status, early.body.code]).toEqual([409, 'conflict']);
  expect((await reviewer.post(`/v1/sessions/${chosen}/proposals`)).status).toBe(403);
  const main = await git(upstream, 'rev-parse', 'main');
  expect(main).toBe(waiting.baseCommit);

  const approved = await reviewer.make(`/v1/proposals/${opened.id}/approve`, { comment: 'good' });
  expect(approved).toMatchObject({ state: 'mergeable', approvals: [{ headCommit: opened.headCommit }] });
  const merged = await api.make(`/v1/proposals/${opened.id}/merge`);
  expect(merged).toMatchObject({ state: 'merged', candidateTree: waiting.candidateTree });
  expect(await git(upstream, 'rev-parse', 'main')).toBe(merged.mergeCommit);
  expect(await git(upstream, 'rev-parse', 'main^{tree}')).toBe(waiting.candidateTree);
  expect(await git(upstream, 'log', '-1', '--format=%P', 'main')).toBe(`${main} ${opened.headCommit}`);
  const trailers = await git(upstream, 'log', '-1', '--format=%(trailers:only)', 'main');
  expect(trailers).toMatch(
    new RegExp(`^Worktrail-Session: ${chosen}\nWorktrail-Proposal: ${opened.id}\nApproved-by: Grace`),
  );

  expect([await look(failing), await look(other)]).toEqual(before);
  const types = (await readHistory(api, chosen))
    .filter(({ type }) => type.startsWith('proposal.'))
    .map(({ type }) => type);
  expect(types).toEqual(['opened', 'checked', 'checked', 'approved', 'merged'].map((one) => `proposal.${one}`));
  const audit = (await api.get('/v1/audit')).body.items.filter(({ resourceId }: any) => resourceId === opened.id);
  expect(audit.map(({ action }: any) => action).toSorted()).toEqual([
    'proposal.approved',
    'proposal.merge_requested',
    'proposal.opened',
  ]);
});

test('a push to main between check and merge leads to a re-check of what will land, not to a merge of an untested tree', async () => {
  const session = await makeSession('Moved under', 'echo 44 > answer; echo x > moved-under');
  const opened = await api.make(`/v1/sessions/${session.id}/proposals`);
  const first = await untilState(opened.id, 'awaiting_approval', 'checks_failed');
  await reviewer.make(`/v1/proposals/${opened.id}/approve`);
  const pushed = await pushToMain('between', 'pushed in between');
  await api.make(`/v1/proposals/${opened.id}/merge`);
  const merged = await untilState(opened.id, 'merged', 'checks_failed', 'conflicted');
  expect(merged).toMatchObject({ state: 'merged', baseCommit: pushed, headCommit: first.headCommit });
  expect(merged.candidateTree).not.toBe(first.candidateTree);
  expect(merged.checkSessionId).not.toBe(first.checkSessionId);
  expect(await git(upstream, 'rev-parse', 'main^{tree}')).toBe(merged.candidateTree);
  expect(await git(upstream, 'show', 'main:between')).toBe('pushed in between');
  const history = await readHistory(api, session.id);
  expect(history.filter(({ type }) => type === 'proposal.checked')).toHaveLength(4);
});

test('what conflicts names its paths; a new head voids approvals, a changed policy too; a rejection is final', async () => {
  const session = await makeSession('Conflicts', 'echo 45 > answer; echo ours > README.md');
  await pushToMain('README.md', 'theirs\n');
  const opened = await api.make(`/v1/sessions/${session.id}/proposals`);
  expect(opened).toMatchObject({ state: 'conflicted', conflicts: ['README.md'] });
  await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, {
    command: 'git checkout -q HEAD -- README.md',
  });
  const again = await api.make(`/v1/sessions/${session.id}/proposals`, { title: 'Without a conflict' });
  expect(again).toMatchObject({ id: opened.id, conflicts: [], title: 'Without a conflict' });
  await reviewer.make(`/v1/proposals/${opened.id}/approve`, { headCommit: again.headCommit });
  await untilState(opened.id, 'mergeable');

  await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, { command: 'echo 46 > answer' });
  const third = await api.make(`/v1/sessions/${session.id}/proposals`);
  expect(third).toMatchObject({ id: opened.id, approvals: [] });
  expect(third.headCommit).not.toBe(again.headCommit);
  const stale = await reviewer.post(`/v1/proposals/${opened.id}/approve`, { headCommit: again.headCommit });
  expect(stale.status).toBe(409);
  await reviewer.make(`/v1/proposals/${opened.id}/approve`);
  await untilState(opened.id, 'mergeable');
  const policy = { approval: { requiredChecks: ['grep 46 answer'] } };
  expect((await reviewer.request('PATCH', `/v1/projects/${projectId}`, policy)).status).toBe(403);
  expect((await api.request('PATCH', `/v1/projects/${projectId}`, policy)).status).toBe(200);
  expect(await show(opened.id)).toMatchObject({ approvals: [], checks: [{ command: 'grep 46 answer' }] });
  await untilState(opened.id, 'awaiting_approval');
  expect(await reviewer.make(`/v1/proposals/${opened.id}/reject`, { comment: 'no' })).toMatchObject({
    state: 'rejected',
  });
  expect((await reviewer.post(`/v1/proposals/${opened.id}/approve`)).status).toBe(409);
  const local = await api.request('PATCH', `/v1/projects/${projectId}`, { approval: { mergeMethod: 'pull_request' } });
  expect([local.status, local.body.errors?.[0]?.path]).toEqual([422, 'approval.mergeMethod']);
});

test('requests to put a session up that come at once make one proposal', async () => {
  const session = await makeSession('Put up by many', 'echo 1 > by-many');
  const answers = await Promise.all(
    Array.from({ length: 4 }, (_, index) => api.post(`/v1/sessions/${session.id}/proposals`, { title: `T ${index}` })),
  );
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 201]);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect((await api.get(`/v1/sessions/${session.id}/proposals`)).body.items).toHaveLength(1);
  await api.make(`/v1/proposals/${answers[0]!.body.id}/close`, {});
  const next = await api.post(`/v1/sessions/${session.id}/proposals`, {});
  expect(next).toMatchObject({ status: 201 });
  expect(next.body.id).not.toBe(answers[0]!.body.id);
});
