// Where the project says so, the only way to main is a pull request on the host of its remote: put up by the policy, merged by people there.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type PullRequestServer, startPullRequestServer } from '@worktrail/testing/pull-request-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const run = promisify(execFile);
const token = 'correct-horse-battery-staple';
let scratch: string;
let host: PullRequestServer;
let cluster: RunningTestCluster;
let api: Api;
let reviewer: Api;
let projectId: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'worktrail-e2e-pull-requests-'));
  const { path } = await makeRepository(join(scratch, 'work'), 10);
  host = await startPullRequestServer('github', { scratch, from: path, token });
  // Which trusts the host of this test, in git and in its API.
  cluster = await startTestCluster('pull-requests', { GIT_SSL_CAINFO: host.git.caPath });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const principal = await api.make('/v1/principals', { name: 'Grace Reviewer', kind: 'user' });
  const key = await api.make('/v1/keys', { principalId: principal.id, scopes: ['read', 'approve'] });
  reviewer = createApi(cluster.apiUrl, key.secret);
  const approval = { mergeMethod: 'pull_request', pullRequest: { host: 'github' }, requiredChecks: ['test -s answer'] };
  const repository = { url: `${host.url}/team/app.git` };
  projectId = (await api.make('/v1/projects', { name: 'hosted', repository, approval })).id;
  const credential = { kind: 'token', token, username: 'x-access-token' };
  expect((await api.request('PUT', `/v1/projects/${projectId}/credential`, credential)).status).toBe(204);
});
afterAll(async () => {
  await cluster?.stop();
  await host?.close();
  await rm(scratch, { recursive: true, force: true });
});

const show = async (id: string) => (await api.get(`/v1/proposals/${id}`)).body;
const inHost = async (...args: string[]) => (await run('git', ['-C', host.repository, ...args])).stdout.trim();

async function until(id: string, isSo: (proposal: any) => boolean): Promise<any> {
  for (const deadline = Date.now() + 240_000; ; ) {
    const proposal = await show(id);
    if (isSo(proposal)) return proposal;
    if (Date.now() > deadline) throw new Error(`it did not come to be so: ${JSON.stringify(proposal)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function propose(title: string, command: string): Promise<any> {
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title });
  const ran = await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, { command });
  expect(ran).toMatchObject({ outcome: 'exited', exitCode: 0 });
  const opened = await api.make(`/v1/sessions/${session.id}/proposals`, { description: 'Why it is so.' });
  await until(opened.id, ({ state }) => state === 'awaiting_approval');
  await reviewer.make(`/v1/proposals/${opened.id}/approve`);
  return until(opened.id, ({ state }) => state === 'mergeable');
}

test('approved by another it is put up once although the answer was lost, merged on its host, and merged here by that', async () => {
  const proposal = await propose('The answer', 'echo 42 > answer');
  const main = await inHost('rev-parse', 'main');
  host.fault = ({ method }, isDone) => (method === 'POST' && isDone ? null : undefined);
  await api.make(`/v1/proposals/${proposal.id}/merge`);
  const up = await until(proposal.id, ({ pullRequest }) => pullRequest !== null);
  host.fault = () => undefined;
  expect(host.calls.filter(({ method }) => method === 'POST')).toHaveLength(1);
  const { headCommit } = proposal;
  expect(up).toMatchObject({
    state: 'mergeable',
    pullRequest: { host: 'github', number: 1, state: 'open', headCommit },
  });
  expect(up.pullRequest.url).toBe(`${host.url}/team/app/pull/1`);
  expect(host.pulls).toMatchObject([{ title: 'The answer', branch: up.pullRequest.branch, base: 'main' }]);
  expect(host.pulls[0]!.body).toMatch(
    /^Why it is so\.\n\nWorktrail-Session: ses_.*\nWorktrail-Proposal: ppl_.*\nApproved-by: Grace/,
  );
  expect(await inHost('rev-parse', up.pullRequest.branch)).toBe(headCommit);
  // The host decides now.
  expect(await inHost('rev-parse', 'main')).toBe(main);

  const mergeCommit = await host.merge(1, 'octo-grace');
  await api.make(`/v1/proposals/${proposal.id}/merge`);
  const merged = await until(proposal.id, ({ state }) => state !== 'mergeable');
  expect(merged).toMatchObject({ state: 'merged', mergeCommit, detail: null });
  expect(merged.pullRequest).toMatchObject({ state: 'merged', by: 'octo-grace', mergedTree: proposal.candidateTree });
  const events = (await readHistory(api, proposal.sessionId)).filter(({ type }) => type.startsWith('proposal.'));
  expect(events.map(({ type }) => type)).toEqual(
    ['opened', 'checked', 'approved', 'merged'].map((one) => `proposal.${one}`),
  );
  expect(events.at(-1)!.data).toEqual({
    ...{ proposalId: proposal.id, mergeCommit, pullRequestUrl: up.pullRequest.url, mergedBy: 'octo-grace' },
    mergedTree: proposal.candidateTree,
  });
  await expect.poll(() => host.tip(up.pullRequest.branch)).toBeUndefined();
  expect(host.pulls).toHaveLength(1);
});

test('closed there it is closed here, with who did it; closed here it is closed there', async () => {
  const byHand = await propose('Closed there', 'echo 43 > answer');
  const up = await api.make(`/v1/proposals/${byHand.id}/merge`);
  expect(up.pullRequest).toMatchObject({ state: 'open' });
  await host.closeByHand(up.pullRequest.number, 'octo-grace');
  const closed = await until(byHand.id, ({ state }) => state !== 'mergeable');
  expect(closed).toMatchObject({ state: 'closed', pullRequest: { state: 'closed', by: 'octo-grace' } });
  const last = (await readHistory(api, byHand.sessionId)).findLast(({ type }) => type.startsWith('proposal.'));
  expect(last).toMatchObject({ type: 'proposal.closed', data: { closedBy: 'octo-grace' } });

  const here = await propose('Closed here', 'echo 44 > answer');
  const { pullRequest } = await api.make(`/v1/proposals/${here.id}/merge`);
  expect(await api.make(`/v1/proposals/${here.id}/close`)).toMatchObject({
    state: 'closed',
    pullRequest: { state: 'closed' },
  });
  expect(host.pulls[pullRequest.number - 1]).toMatchObject({ state: 'closed' });
  expect(await host.tip(pullRequest.branch)).toBeUndefined();
});

test('a host that does not want it says why, and the token is nowhere to be seen', async () => {
  const proposal = await propose('Refused', 'echo 45 > answer');
  host.fault = ({ method }) => (method === 'POST' ? { status: 403, body: { message: `no: ${token}` } } : undefined);
  const refused = await api.post(`/v1/proposals/${proposal.id}/merge`);
  host.fault = () => undefined;
  expect([refused.status, refused.body.detail]).toEqual([409, 'the host answers 403: no: ***']);
  expect(await show(proposal.id)).toMatchObject({ state: 'mergeable', mergeRequestedBy: null, pullRequest: null });
  const put = await api.make(`/v1/proposals/${proposal.id}/merge`);
  expect(put.pullRequest).toMatchObject({ state: 'open' });
  const secrets = [token, Buffer.from(`x-access-token:${token}`).toString('base64')];
  const patterns = secrets.flatMap((secret) => ['-e', secret]);
  const found = await run('grep', ['-rlaF', ...patterns, cluster.stateDirectory]).catch(({ stdout }) => ({ stdout }));
  expect(found.stdout).toBe('');
});

test('a policy whose host cannot be told, or is elsewhere, is refused by its field', async () => {
  const change = async (approval: object) => {
    const { status, body } = await api.request('PATCH', `/v1/projects/${projectId}`, { approval });
    return [status, body.errors?.[0]?.path];
  };
  expect(await change({ pullRequest: null })).toEqual([422, 'approval.pullRequest.host']);
  const elsewhere = { host: 'github', apiUrl: 'https://example.org/api/v3' };
  expect(await change({ pullRequest: elsewhere })).toEqual([422, 'approval.pullRequest.apiUrl']);
  expect(await change({ pullRequest: { host: 'sourceforge' } })).toEqual([422, 'approval.pullRequest.host']);
  const local = {
    name: 'local',
    repository: { url: 'git@git.example.org:a/b' },
    approval: { mergeMethod: 'pull_request' },
  };
  expect((await api.post('/v1/projects', local)).status).toBeGreaterThanOrEqual(400);
});
