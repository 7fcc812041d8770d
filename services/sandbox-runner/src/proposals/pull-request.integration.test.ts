import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { PullRequestHost } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import type { Candidate, OpenPullRequestInput } from '@worktrail/contract/proposal-activities';
import { buckets, credentialKey } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import { sealCredential } from '@worktrail/runtime/remote-credential';
import { createSecretBox } from '@worktrail/runtime/secret-box';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { type PullRequestServer, startPullRequestServer } from '@worktrail/testing/pull-request-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openNatsArtifactStore } from '../artifacts/artifact-store-nats.ts';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { commitTree, openSessionStore } from '../checkpoints/session-store.ts';
import { startAsChild } from '../host/program-start.ts';
import { openGit } from '../repositories/git-program.ts';
import { callGitAsChild } from '../host/git-call.ts';
import { openRemoteCredentials } from '../repositories/remote-credentials.ts';
import { createRepositoryMirrors } from '../repositories/repository-mirror.ts';
import { makeRepository } from '../runner-bench.ts';
import { closePullRequest, openPullRequest, type PullRequestDeps, readPullRequest } from './pull-request.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const token = 'correct-horse-battery-staple';
const organizationId = newId('organization');
const secretBox = createSecretBox(Buffer.alloc(32, 9));
const trusted = getCACertificates('default');

let nats: NatsServer;
let connection: NatsConnection;
let artifacts: ArtifactStore;
let configuration: KV;
let natsScratch: Scratch;
beforeAll(async () => {
  natsScratch = await makeScratch('pull-requests');
  nats = await startNatsServer(join(natsScratch.path, 'nats'));
  connection = await connect({ servers: nats.url });
  const jsm = await jetstreamManager(connection);
  const bounds = { replicas: 1, storeBytesMax: null, objectBytesMax: 1024 ** 3 };
  artifacts = await openNatsArtifactStore({ js: jetstream(connection), jsm, ...bounds, clock: Date.now });
  configuration = await openBucket(connection, buckets.configuration);
});
afterAll(async () => {
  await connection.close();
  await nats.stop();
  await natsScratch.remove();
});

describe.each(['github', 'gitlab', 'gitea'] as const)(
  'a proposal on a host with the API of %s',
  (kind: PullRequestHost) => {
    let scratch: Scratch;
    let host: PullRequestServer;
    let deps: PullRequestDeps;
    let clone: string;
    let count = 0;

    beforeAll(async () => {
      scratch = await makeScratch(`pull-requests-${kind}`);
      clone = join(scratch.path, 'clone');
      await makeRepository(clone);
      host = await startPullRequestServer(kind, { scratch: scratch.path, from: clone, token });
      await inClone('remote', 'add', 'origin', host.repository);
      vi.stubEnv('GIT_SSL_CAINFO', host.git.caPath);
      setDefaultCACertificates([...trusted, await readFile(host.git.caPath, 'utf8')]);
      const dataDirectory = join(scratch.path, 'data');
      const git = await openGit(dataDirectory, callGitAsChild, signal);
      const credentials = await openRemoteCredentials(dataDirectory, { configuration, secretBox });
      const nothing = async () => undefined;
      const pins = { noteTips: nothing, keepLostTips: nothing, restore: nothing };
      const roots = { allowed: [], stateDirectory: dataDirectory, ssh: false };
      const mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials });
      const directory = join(scratch.path, 'data', 'proposals');
      deps = { start: startAsChild, directory, diskReserveBytes: 0, artifacts, mirrors, credentials, fetch };
    });
    afterEach(() => {
      host.fault = () => undefined;
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      setDefaultCACertificates(trusted);
      await host.close();
      await scratch.remove();
    });

    async function inClone(...args: string[]): Promise<string> {
      const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org'];
      return (await run('git', [...identity, ...args], { cwd: clone })).stdout.trim();
    }

    async function projectWith(value: string): Promise<string> {
      const projectId = newId('project');
      const server = new URL(host.url).origin;
      const credential = { kind: 'token' as const, server, username: 'x-access-token', token: value };
      const document = sealCredential(secretBox, projectId, credential, new Date().toISOString());
      await configuration.put(credentialKey(projectId), JSON.stringify(document));
      return projectId;
    }

    /** A head on the target as it is now, with their merge, as a runner would have stored it. */
    async function candidateOf(projectId: string, content: string): Promise<Candidate> {
      await inClone('fetch', '-q', 'origin');
      await inClone('reset', '-q', '--hard', 'origin/main');
      await writeFile(join(clone, 'answer'), content);
      await inClone('add', '-A');
      await inClone('commit', '-qm', `Answer ${content}`);
      const [headCommit, tree] = [await inClone('rev-parse', 'HEAD'), await inClone('rev-parse', 'HEAD^{tree}')];
      const request = { organizationId, projectId, repository: repository(), baseRef: null };
      const { objectsPath, defaultCommit: target } = await deps.mirrors.sync(request);
      const sessionPath = join(scratch.path, `session-${++count}`);
      await mkdir(sessionPath);
      const store = await openSessionStore(
        { start: startAsChild, sessionPath, upstreamObjects: objectsPath, baseCommit: target },
        signal,
      );
      const alternates = join(sessionPath, 'store.git', 'objects', 'info', 'alternates');
      await writeFile(alternates, `${objectsPath}\n${join(clone, '.git', 'objects')}\n`);
      const createdMs = 1_700_000_000_000;
      const merge = { tree, parents: [target, headCommit], message: 'Merge, to be checked', createdMs };
      const commit = await commitTree(store.git, merge, signal);
      const carried = (await store.git(['mktree'], { signal, stdin: `040000 tree ${tree}\twork\n` })).toString().trim();
      const carrier = await commitTree(store.git, { ...merge, tree: carried, parents: [commit] }, signal);
      const checkpoint = { id: newId('checkpoint'), number: 1, commit, tree };
      const manifest = {
        ...{
          version: 1 as const,
          checkpointId: checkpoint.id,
          number: 1,
          commandId: '',
          createdMs,
          commit,
          tree,
          carrier,
        },
        ...{ baseCommit: target, carrierBefore: null, fingerprint: '', headCommit: commit, headRef: null },
        ...{ filesChanged: 1, notKept: [], withoutRepository: false },
      };
      await store.publish(manifest, signal);
      const file = join(sessionPath, 'bundle');
      await store.writeBundle(file, 1, true, target, signal);
      const name = `${organizationId}/${newId('session')}/proposal-g0-${newId('proposal')}-0`;
      const bundle = await artifacts.put(name, file, signal);
      return { headCommit, target, tree, filesChanged: 1, checkpoint, bundle };
    }

    const repository = () => ({ url: `${host.url}/team/app.git`, defaultBranch: 'main' });

    async function newProposal(changes: Partial<OpenPullRequestInput> = {}): Promise<OpenPullRequestInput> {
      const projectId = changes.projectId ?? (await projectWith(token));
      const candidate = await candidateOf(projectId, String(++count));
      const proposalId = newId('proposal');
      return {
        ...{ organizationId, projectId, sessionId: newId('session'), proposalId, repository: repository() },
        ...{ settings: { host: kind }, number: null, branch: `worktrail/answer-${proposalId.slice(-8)}`, candidate },
        ...{ commits: [candidate.headCommit], title: 'An answer\n', description: 'Worktrail-Session: another' },
        ...{ approvedBy: [{ id: 'prn_b', name: 'B' }], settleOnly: false, ...changes },
      };
    }

    async function openNew(): Promise<OpenPullRequestInput & { number: number }> {
      const input = await newProposal();
      const result = await openPullRequest(deps, input, signal);
      if (result.state !== 'opened') throw new Error(JSON.stringify(result));
      return { ...input, number: result.pullRequest.number };
    }

    test('is put up once: its branch is there, and tried again it is found', async () => {
      const input = await newProposal();
      const before = host.pulls.length;
      const first = await openPullRequest(deps, input, signal);
      const { headCommit } = input.candidate;
      expect(first).toMatchObject({
        state: 'opened',
        pullRequest: { host: kind, state: 'open', headCommit, targetBranch: 'main', mergeCommit: null, by: null },
      });
      expect(await host.tip(input.branch)).toBe(headCommit);
      const pull = host.pulls.at(-1)!;
      expect(pull).toMatchObject({ title: 'An answer', branch: input.branch, base: 'main' });
      expect(pull.body).toBe(
        `> Worktrail-Session: another\n\nWorktrail-Session: ${input.sessionId}\nWorktrail-Proposal: ${input.proposalId}\n` +
          'Approved-by: B <prn_b@worktrail.invalid>',
      );
      expect(await openPullRequest(deps, input, signal)).toEqual(first);
      const later = { ...input, number: pull.number, settleOnly: true };
      expect(await openPullRequest(deps, later, signal)).toEqual(first);
      expect(host.pulls.length).toBe(before + 1);
    });

    test('is opened once although the answer to it was lost', async () => {
      const input = await newProposal();
      const before = host.pulls.length;
      host.fault = ({ method }, isDone) => (method === 'POST' && isDone ? null : undefined);
      expect(await openPullRequest(deps, input, signal)).toMatchObject({ state: 'unknown', retryAfterMs: null });
      host.fault = () => undefined;
      expect(host.pulls.length).toBe(before + 1);
      const settled = await openPullRequest(deps, { ...input, settleOnly: true }, signal);
      expect(settled).toMatchObject({ state: 'opened', pullRequest: { number: before + 1 } });
      expect(await openPullRequest(deps, input, signal)).toEqual(settled);
      expect(host.pulls.length).toBe(before + 1);
    });

    test('is found among many, and one that another attempt has opened meanwhile too', async () => {
      const input = await newProposal();
      let isFirst = true;
      host.fault = ({ method }) => {
        if (method !== 'POST' || !isFirst) return undefined;
        isFirst = false;
        host.pulls.push({ ...pullOf(host.pulls.length + 1, input.branch), sha: input.candidate.headCommit });
        return undefined;
      };
      const opened = await openPullRequest(deps, input, signal);
      expect(opened).toMatchObject({ state: 'opened', pullRequest: { number: host.pulls.length } });
      for (let one = 0; one < 120; one += 1) host.pulls.push(pullOf(host.pulls.length + 1, `other-${one}`));
      expect(await openPullRequest(deps, { ...input, settleOnly: true }, signal)).toEqual(opened);
    });

    function pullOf(number: number, branch: string): PullRequestServer['pulls'][number] {
      const rest = { mergeCommit: null, squashed: false, by: null };
      return { number, title: 'T', body: '', branch, base: 'main', state: 'open', sha: 'c'.repeat(40), ...rest };
    }

    test('is merged there: as what, and by whom, is read back', async () => {
      for (const how of ['merge', 'squash'] as const) {
        const input = await openNew();
        const mergeCommit = await host.merge(input.number, 'grace', how);
        expect(await readPullRequest(deps, input, signal)).toMatchObject({
          state: 'seen',
          pullRequest: { state: 'merged', mergeCommit, mergedTree: input.candidate.tree, by: 'grace' },
        });
        expect(await closePullRequest(deps, input, signal)).toMatchObject({ pullRequest: { state: 'merged' } });
        expect(await host.tip(input.branch)).toBeUndefined();
        // Its branch is gone, and it is still found by it.
        const found = await openPullRequest(deps, { ...input, number: null, settleOnly: true }, signal);
        expect(found).toMatchObject({ state: 'opened', pullRequest: { number: input.number, state: 'merged' } });
      }
    });

    test('is merged as another tree where somebody else has pushed to its branch', async () => {
      const input = await openNew();
      await inClone('checkout', '-q', '--detach', input.candidate.headCommit);
      await writeFile(join(clone, 'more'), 'more');
      await inClone('add', '-A');
      await inClone('commit', '-qm', 'More');
      await inClone('push', '-q', 'origin', `HEAD:refs/heads/${input.branch}`);
      const theirs = await inClone('rev-parse', 'HEAD');
      await inClone('checkout', '-q', 'main');
      expect(await readPullRequest(deps, input, signal)).toMatchObject({ pullRequest: { headCommit: theirs } });
      const next = await candidateOf(input.projectId, 'next');
      const again = { ...input, candidate: next, commits: [...input.commits, next.headCommit] };
      const refused = await openPullRequest(deps, again, signal);
      expect(refused).toMatchObject({ state: 'refused', detail: expect.stringContaining('somebody else') });
      expect(await host.tip(input.branch)).toBe(theirs);
      const mergeCommit = await host.merge(input.number, 'mallory');
      const read = await readPullRequest(deps, input, signal);
      expect(read).toMatchObject({ pullRequest: { state: 'merged', mergeCommit } });
      expect(read.state === 'seen' && read.pullRequest.mergedTree).not.toBe(input.candidate.tree);
      await closePullRequest(deps, input, signal);
      expect(await host.tip(input.branch)).toBe(theirs);
    });

    test('has its branch and text brought to a new head, where the branch is what was pushed before', async () => {
      const input = await openNew();
      const next = await candidateOf(input.projectId, `next ${++count}`);
      const commits = [...input.commits, next.headCommit];
      const again = { ...input, candidate: next, commits, title: 'A better answer' };
      expect(await openPullRequest(deps, { ...again, settleOnly: true }, signal)).toMatchObject({
        state: 'not_pushed',
      });
      expect(await openPullRequest(deps, again, signal)).toMatchObject({
        state: 'opened',
        pullRequest: { number: input.number, headCommit: next.headCommit },
      });
      expect(host.pulls[input.number - 1]).toMatchObject({ title: 'A better answer', sha: next.headCommit });
    });

    test('is closed by hand there, or from here, with its branch', async () => {
      const byHand = await openNew();
      await host.closeByHand(byHand.number, 'grace');
      expect(await readPullRequest(deps, byHand, signal)).toMatchObject({
        pullRequest: { state: 'closed', mergeCommit: null, by: kind === 'gitea' ? null : 'grace' },
      });
      const input = await openNew();
      // Also where its number was never heard of.
      for (const number of [null, input.number]) {
        const left = await closePullRequest(deps, { ...input, number }, signal);
        expect(left).toMatchObject({ state: 'left', pullRequest: { number: input.number, state: 'closed' } });
      }
      expect(host.pulls[input.number - 1]!.state).toBe('closed');
      expect(await host.tip(input.branch)).toBeUndefined();
      const never = await newProposal();
      expect(await closePullRequest(deps, never, signal)).toEqual({ state: 'left', pullRequest: null });
    });

    test('is not put up where its target has moved, or where it is only to be looked for', async () => {
      const input = await newProposal();
      expect(await openPullRequest(deps, { ...input, settleOnly: true }, signal)).toMatchObject({
        state: 'not_pushed',
      });
      const other = await openNew();
      const tip = await host.merge(other.number, 'grace');
      expect(await openPullRequest(deps, input, signal)).toEqual({ state: 'moved', tip });
      expect(await host.tip(input.branch)).toBeUndefined();
    });

    test('says what a host refuses, when to ask again, and that it is away; nowhere is the token', async () => {
      const input = await openNew();
      const answers = async (status: number, headers = {}, message = `no: ${token}`) => {
        host.fault = () => ({ status, headers, body: { message } });
        const read = await readPullRequest(deps, input, signal);
        expect(JSON.stringify(read)).not.toContain(token);
        return read;
      };
      const unknown = { state: 'unknown', retryAfterMs: null };
      for (const status of [401, 403, 404, 409, 422]) {
        const detail = `the host answers ${status}: no: ***`;
        expect(await answers(status)).toEqual({ ...unknown, isFinal: true, detail });
      }
      for (const status of [500, 502, 503, 408]) expect(await answers(status)).toMatchObject({ isFinal: false });
      const later = await answers(429, { 'retry-after': '7' });
      expect(later).toMatchObject({ isFinal: false, retryAfterMs: 7_000 });
      const reset = String(Math.ceil(Date.now() / 1000) + 100);
      const limited = await answers(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset });
      expect(limited).toMatchObject({ isFinal: false, retryAfterMs: expect.any(Number) });
      host.fault = () => null;
      expect(await readPullRequest(deps, input, signal)).toMatchObject({ ...unknown, isFinal: false });
      host.fault = () => ({ status: 200, body: { number: 'x' } });
      expect(await readPullRequest(deps, input, signal)).toMatchObject({ ...unknown, isFinal: false });
      const wrong = await newProposal();
      host.fault = () => ({ status: 403, body: { message: 'Resource not accessible' } });
      expect(await openPullRequest(deps, wrong, signal)).toMatchObject({ state: 'refused' });
      host.fault = ({ method }) => (method === 'POST' ? { status: 503 } : undefined);
      expect(await openPullRequest(deps, wrong, signal)).toMatchObject({ state: 'unknown' });
      const without = { ...wrong, projectId: newId('project') };
      const detail = expect.stringContaining('has no token');
      expect(await openPullRequest(deps, without, signal)).toMatchObject({ state: 'refused', detail });
    });

    test('follows the host to another path, and takes the token to no other server', async () => {
      const input = await openNew();
      const moved = (location: string) => (call: { path: string }) =>
        call.path.includes('moved') ? undefined : { status: 301, headers: { location } };
      const asked: (string | undefined)[] = [];
      const other = createServer((request, response) => {
        asked.push(request.headers.authorization);
        response.end('{}');
      });
      other.listen(0, '127.0.0.1');
      await once(other, 'listening');
      host.fault = moved(`http://127.0.0.1:${(other.address() as AddressInfo).port}/moved`);
      const read = await readPullRequest(deps, input, signal);
      expect(read).toMatchObject({ isFinal: true, detail: expect.stringContaining('another server') });
      expect(asked).toEqual([]);
      other.close();
      const { path } = host.calls.at(-1)!;
      let hops = 0;
      host.fault = () => (hops++ === 0 ? { status: 301, headers: { location: `${apiPath()}${path}` } } : undefined);
      expect(await readPullRequest(deps, input, signal)).toMatchObject({ state: 'seen' });
      host.fault = () => ({ status: 301, headers: { location: `${apiPath()}${path}` } });
      expect(await readPullRequest(deps, input, signal)).toMatchObject({
        detail: expect.stringContaining('without an end'),
      });
    });

    const apiPath = () => ({ github: '/api/v3', gitlab: '/api/v4', gitea: '/api/v1' })[kind];
  },
);
