import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import { newId } from '@worktrail/contract/ids';
import {
  type Candidate,
  mergeFence,
  type PrepareCandidateInput,
  type PushCandidateInput,
} from '@worktrail/contract/proposal-activities';
import type { ProposalSource } from '@worktrail/contract/session-messages';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { openNatsArtifactStore } from '../artifacts/artifact-store-nats.ts';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { commitTree, openSessionStore } from '../checkpoints/session-store.ts';
import { type Git, openGit } from '../repositories/git-program.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from '../repositories/repository-mirror.ts';
import { makeRepository, noCredentials } from '../runner-bench.ts';
import { prepareCandidate } from './candidate.ts';
import { pushCandidate } from './candidate-push.ts';
import { callGitAsChild } from '../host/git-call.ts';
import { startAsChild } from '../host/program-start.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const organizationId = newId('organization');
const projectId = newId('project');
const ada = { id: 'prn_ada', name: 'Ada <x> \n' };
let scratch: Scratch;
let nats: NatsServer;
let connection: NatsConnection;
let artifacts: ArtifactStore;
let mirrors: RepositoryMirrors;
/** The upstream, bare, and a clone that somebody works in. */
let upstream: string;
let clone: string;
let count = 0;
/** Called before the next push of the host's git. */
let beforePush: (() => Promise<void>) | undefined;
/** The remote hears nothing of the next push but its beginning until this ends. */
let untilHeard: Promise<void> | undefined;

beforeAll(async () => {
  scratch = await makeScratch('proposals');
  nats = await startNatsServer(join(scratch.path, 'nats'));
  connection = await connect({ servers: nats.url });
  const jsm = await jetstreamManager(connection);
  const bounds = { replicas: 1, storeBytesMax: null, objectBytesMax: 1024 ** 3 };
  artifacts = await openNatsArtifactStore({ js: jetstream(connection), jsm, ...bounds, clock: Date.now });
  const dataDirectory = join(scratch.path, 'data');
  const own = await openGit(dataDirectory, callGitAsChild, signal);
  const git: Git = async (directory, args, given) => {
    const before = args[0] === 'push' ? beforePush : undefined;
    if (before) beforePush = undefined;
    await before?.();
    const heard = args[0] === 'push' ? untilHeard : undefined;
    if (!heard) return own(directory, args, given);
    untilHeard = undefined;
    return heldPush(directory, args, heard);
  };
  const nothing = async () => undefined;
  const pins = { noteTips: nothing, keepLostTips: nothing, restore: nothing };
  const roots = { allowed: [join(scratch.path, 'repositories')], stateDirectory: dataDirectory, ssh: false };
  mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials: noCredentials });
});
afterAll(async () => {
  await connection.close();
  await nats.stop();
  await scratch.remove();
});
beforeEach(async () => {
  await newUpstream();
});

/** The remote has said what its refs are, and what git sends then is held back: as of a host that is stopped there. */
async function heldPush(directory: string, args: string[], until: Promise<void>): Promise<string> {
  const held = join(scratch.path, `held-${++count}`);
  const go = `${held}.go`;
  await writeFile(held, `#!/bin/sh\n(read -r go <"${go}"; exec cat) | git receive-pack "$1"\n`, { mode: 0o755 });
  await run('mkfifo', [go]);
  void until.then(() => writeFile(go, 'go\n'));
  const said = (error: { stdout: string; stderr: string }) => Promise.reject(new Error(error.stdout + error.stderr));
  return (await run('git', ['push', `--receive-pack=${held}`, ...args.slice(1)], { cwd: directory }).catch(said))
    .stdout;
}

async function newUpstream(objectFormat = 'sha1'): Promise<void> {
  const directory = join(scratch.path, 'repositories', String(++count));
  clone = join(directory, 'clone');
  upstream = join(directory, 'upstream.git');
  await makeRepository(clone, objectFormat);
  await run('git', ['clone', '-q', '--bare', clone, upstream]);
  await inClone('remote', 'add', 'origin', upstream);
}

async function inClone(...args: string[]): Promise<string> {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-c', 'core.autocrlf=false'];
  return (await run('git', [...identity, ...args], { cwd: clone })).stdout.trim();
}
const inUpstream = async (...args: string[]) => (await run('git', args, { cwd: upstream })).stdout.trim();

async function pushToMain(name: string, content: string): Promise<string> {
  await inClone('fetch', '-q', 'origin');
  await inClone('reset', '-q', '--hard', 'origin/main');
  await inClone('clean', '-fdq');
  await writeFile(join(clone, name), content);
  await inClone('add', '-A');
  await inClone('commit', '-qm', name);
  await inClone('push', '-q', 'origin', 'HEAD:main');
  return inClone('rev-parse', 'HEAD');
}

const deps = () => ({
  directory: join(scratch.path, 'data', 'proposals'),
  diskReserveBytes: 0,
  start: startAsChild,
  ...{ artifacts, mirrors },
});
const ids = () => ({
  ...{ organizationId, projectId, sessionId: newId('session'), proposalId: newId('proposal') },
});
const repository = () => ({ url: upstream, defaultBranch: 'main' });

/** A session's files as its runner would have stored them: the clone's work tree, on its HEAD. */
async function storeSession(leftOut = '', isUnmerged = false): Promise<ProposalSource> {
  await inClone('add', '-A', '-f');
  const tree = await inClone('write-tree');
  await inClone('reset', '-q');
  const headCommit = await inClone('rev-parse', 'HEAD');
  const { objectsPath, baseCommit } = await mirrors.sync({
    organizationId,
    projectId,
    repository: repository(),
    baseRef: null,
  });
  const sessionPath = join(scratch.path, `session-${count}-${Math.random()}`);
  await mkdir(sessionPath);
  const store = await openSessionStore(
    { start: startAsChild, sessionPath, upstreamObjects: objectsPath, baseCommit },
    signal,
  );
  await borrow(sessionPath, objectsPath);
  const commit = await commitTree(
    store.git,
    { tree, parents: [baseCommit], message: 'c', createdMs: 1_700_000_000_000 },
    signal,
  );
  const blob = async (text: string) =>
    (await store.git(['hash-object', '-w', '--stdin'], { signal, stdin: text })).toString().trim();
  const unmerged = isUnmerged ? `040000 tree ${tree}\tunmerged\n` : '';
  const entries = `100644 blob ${await blob(leftOut)}\tleft-out\n040000 tree ${tree}\twork\n${unmerged}`;
  const carrierTree = (await store.git(['mktree'], { signal, stdin: entries })).toString().trim();
  const parents = [headCommit];
  const carrier = await commitTree(
    store.git,
    { tree: carrierTree, parents, message: 's', createdMs: 1_700_000_000_000 },
    signal,
  );
  const checkpointId = newId('checkpoint');
  await store.publish(
    {
      ...{
        version: 1,
        checkpointId,
        number: 1,
        commandId: '',
        createdMs: 1_700_000_000_000,
        baseCommit,
        commit,
        tree,
        carrier,
      },
      ...{ carrierBefore: null, fingerprint: '', headCommit, headRef: 'refs/heads/x', filesChanged: 1, notKept: [] },
      withoutRepository: false,
    },
    signal,
  );
  const file = join(sessionPath, 'bundle');
  await store.writeBundle(file, 1, true, baseCommit, signal);
  const name = `${organizationId}/${newId('session')}/bundle-g1-1-${checkpointId}-0`;
  const bundles: StoredArtifact[] = [await artifacts.put(name, file, signal)];
  return { baseCommit, checkpoint: { id: checkpointId, number: 1, commit, tree }, bundles };
}

/** The clone's objects too: what a sandbox would have packed. */
async function borrow(sessionPath: string, objectsPath: string): Promise<void> {
  const alternates = join(sessionPath, 'store.git', 'objects', 'info', 'alternates');
  await writeFile(alternates, `${objectsPath}\n${join(clone, '.git', 'objects')}\n`);
}

function input(
  from: PrepareCandidateInput['from'],
  changes: Partial<PrepareCandidateInput> = {},
): PrepareCandidateInput {
  return {
    ...{
      ...ids(),
      repository: repository(),
      from,
      before: null,
      branch: 'worktrail/check',
      at: '2026-01-02T00:00:00.000Z',
    },
    head: { title: 'A title', author: ada, at: '2026-01-01T00:00:00.000Z' },
    checkpointId: newId('checkpoint'),
    ...changes,
  };
}

async function candidateOf(source: ProposalSource): Promise<Candidate> {
  const prepared = await prepareCandidate(deps(), input({ kind: 'session', ...source }), signal);
  if (prepared.state !== 'clean') throw new Error(JSON.stringify(prepared));
  return prepared.candidate;
}

function pushInput(candidate: Candidate, changes: Partial<PushCandidateInput> = {}): PushCandidateInput {
  return {
    ...{ ...ids(), repository: repository(), candidate, method: 'merge', title: '--amend', description: '' },
    ...{ author: ada, approvedBy: [{ id: 'prn_b', name: 'B' }], at: '2026-01-03T00:00:00.000Z', settleOnly: false },
    fence: mergeFence('ppl', 1),
    ...changes,
  };
}

test('what was not committed is committed as the head, merged with what main is now, and lands as that tree', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const source = await storeSession();
  const target = await pushToMain('other', 'other');
  const candidate = await candidateOf(source);
  expect(candidate.target).toBe(target);
  expect(candidate.filesChanged).toBe(1);
  const pushed = await pushCandidate(deps(), pushInput(candidate), signal);
  expect(pushed).toEqual({ state: 'merged', commit: await inUpstream('rev-parse', 'main'), tree: candidate.tree });
  expect(await inUpstream('rev-parse', 'main^{tree}')).toBe(candidate.tree);
  expect(await inUpstream('log', '-1', '--format=%P|%s|%an|%cn', 'main')).toBe(
    `${target} ${candidate.headCommit}|--amend|Ada x|Worktrail`,
  );
  expect(await inUpstream('ls-tree', '--name-only', 'main', 'new', 'other')).toBe('new\nother');
  expect(await inUpstream('fsck', '--strict')).toBe('');
});

test('a push whose answer was lost is settled by the target, and the same push again does nothing more', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const candidate = await candidateOf(await storeSession());
  const before = pushInput(candidate, { settleOnly: true });
  expect(await pushCandidate(deps(), before, signal)).toMatchObject({ state: 'not_pushed' });
  const asked = pushInput(candidate, { fence: mergeFence('ppl', 2) });
  const first = await pushCandidate(deps(), asked, signal);
  expect(first.state).toBe('merged');
  const tip = await pushToMain('later', 'later');
  expect(await pushCandidate(deps(), asked, signal)).toEqual(first);
  expect(await pushCandidate(deps(), { ...asked, settleOnly: true }, signal)).toEqual(first);
  expect(await inUpstream('rev-parse', 'main')).toBe(tip);
});

test('a push that is held up anywhere comes to nothing once it was settled that it has not landed', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const candidate = await candidateOf(await storeSession());
  for (const [index, at] of ['before git', 'in git'].entries()) {
    const asked = pushInput(candidate, { fence: mergeFence('ppl', index + 1) });
    const settled = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    if (at === 'in git') untilHeard = settled.promise;
    beforePush = async () => {
      held.resolve();
      if (at === 'before git') await settled.promise;
    };
    const late = pushCandidate(deps(), asked, signal).catch(String);
    await held.promise;
    await vi.waitUntil(() => at === 'before git' || untilHeard === undefined);
    const settle = () => pushCandidate(deps(), { ...asked, settleOnly: true }, signal);
    expect(await settle()).toMatchObject({ state: 'not_pushed' });
    expect(await settle()).toMatchObject({ state: 'not_pushed' });
    settled.resolve();
    expect(await late).toMatchObject({ state: 'refused' });
    expect(await inUpstream('rev-parse', 'main')).toBe(candidate.target);
  }
  const last = await pushCandidate(deps(), pushInput(candidate, { fence: mergeFence('ppl', 3) }), signal);
  expect(last).toMatchObject({ state: 'merged' });
  // Of what has landed no fence is left.
  const fences = await inUpstream('for-each-ref', '--format=%(refname) %(objectname)', 'refs/worktrail');
  expect(fences).toBe([1, 2].map((number) => `${mergeFence('ppl', number)} ${candidate.target}`).join('\n'));
});

test('a remote that takes no fence is told of, nothing is pushed to it, and without one it is', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const candidate = await candidateOf(await storeSession());
  await run('git', ['config', 'receive.advertiseAtomic', 'false'], { cwd: upstream });
  for (const settleOnly of [false, true])
    expect(await pushCandidate(deps(), pushInput(candidate, { settleOnly }), signal)).toMatchObject({
      state: 'unfenced',
    });
  expect(await inUpstream('rev-parse', 'main')).toBe(candidate.target);
  const unfenced = pushInput(candidate, { fence: null });
  expect(await pushCandidate(deps(), { ...unfenced, settleOnly: true }, signal)).toMatchObject({ state: 'not_pushed' });
  expect(await pushCandidate(deps(), unfenced, signal)).toMatchObject({ state: 'merged' });
});

test('a target that moves, also at the last moment or backwards, is never overwritten', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const candidate = await candidateOf(await storeSession());
  let tip = '';
  beforePush = async () => {
    tip = await pushToMain('between', 'x');
  };
  expect(await pushCandidate(deps(), pushInput(candidate), signal)).toEqual({ state: 'moved', tip });
  expect(await inUpstream('rev-parse', 'main')).toBe(tip);
  const again = await prepareCandidate(deps(), input({ kind: 'candidate', candidate }), signal);
  if (again.state !== 'clean') throw new Error(JSON.stringify(again));
  expect(again.candidate).toMatchObject({ headCommit: candidate.headCommit, target: tip });
  const older = await inUpstream('rev-parse', 'main~1');
  beforePush = async () => void (await inUpstream('update-ref', 'refs/heads/main', older));
  expect(await pushCandidate(deps(), pushInput(again.candidate), signal)).toEqual({ state: 'moved', tip: older });
  expect(await inUpstream('rev-parse', 'main')).toBe(older);
});

test('conflicts are told by path, whatever the path is', async () => {
  const names = ['a b', 'new\nline', '-dash', '"quoted"'];
  for (const name of names) await writeFile(join(clone, name), 'base');
  await inClone('add', '-A');
  await inClone('commit', '-qm', 'names');
  await inClone('push', '-q', 'origin', 'HEAD:main');
  for (const name of names) await writeFile(join(clone, name), 'ours');
  const source = await storeSession();
  await inClone('checkout', '-q', '--', '.');
  for (const name of names) await writeFile(join(clone, name), 'theirs');
  await inClone('commit', '-qam', 'theirs');
  await inClone('push', '-q', 'origin', 'HEAD:main');
  const prepared = await prepareCandidate(deps(), input({ kind: 'session', ...source }), signal);
  expect(prepared).toMatchObject({ state: 'conflicted', paths: ['"quoted"', '-dash', 'a b', 'new\\x0aline'] });
});

test('line endings are committed as git would; of files that only the work tree has otherwise, nothing is', async () => {
  await writeFile(join(clone, '.gitattributes'), '*.bat text eol=crlf\n*.txt text=auto\n');
  await writeFile(join(clone, 'run.bat'), 'one\r\ntwo\r\n');
  await inClone('add', '-A');
  await inClone('commit', '-qm', 'bat');
  await inClone('push', '-q', 'origin', 'HEAD:main');
  await writeFile(join(clone, 'new.bat'), 'three\r\n');
  await writeFile(join(clone, 'new.txt'), 'four\r\n');
  await writeFile(join(clone, 'raw'), 'five\r\n');
  await inClone('add', '-A');
  const wanted = await inClone('write-tree');
  await inClone('reset', '-q');
  // As a checkpoint records them: raw.
  await mkdir(join(clone, '.git', 'info'), { recursive: true });
  await writeFile(join(clone, '.git', 'info', 'attributes'), '* -text !eol\n');
  await inClone('rm', '-q', '-r', '--cached', '.');
  const source = await storeSession();
  expect(source.checkpoint.tree).not.toBe(wanted);
  expect((await candidateOf(source)).tree).toBe(wanted);
});

test('a work tree that is its HEAD is that commit; one that changes nothing of the target is unfit', async () => {
  const same = await prepareCandidate(deps(), input({ kind: 'session', ...(await storeSession()) }), signal);
  expect(same).toMatchObject({ state: 'unfit', headCommit: await inClone('rev-parse', 'HEAD') });
  await writeFile(join(clone, 'own'), 'x');
  await inClone('add', '-A');
  await inClone('commit', '-qm', 'own');
  expect((await candidateOf(await storeSession())).headCommit).toBe(await inClone('rev-parse', 'HEAD'));
});

test('the same files put up again are the same head', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const from = { kind: 'session' as const, ...(await storeSession()) };
  const of = input(from);
  const first = await prepareCandidate(deps(), of, signal);
  if (first.state !== 'clean') throw new Error(JSON.stringify(first));
  const before = { ...of.head, commit: first.candidate.headCommit };
  const later = { ...of, before, head: { ...of.head, title: 'Another', at: '2026-05-05T00:00:00.000Z' } };
  expect(await prepareCandidate(deps(), later, signal)).toMatchObject({ candidate: { headCommit: before.commit } });
  const other = await prepareCandidate(deps(), { ...later, before: null }, signal);
  expect(other).not.toMatchObject({ candidate: { headCommit: before.commit } });
});

test('files that no checkpoint holds are told, and nothing is made of the rest', async () => {
  const source = await storeSession(`large 200000000 - big\0special - - fifo\0`);
  const prepared = await prepareCandidate(deps(), input({ kind: 'session', ...source }), signal);
  expect(prepared).toMatchObject({ state: 'unfit', headCommit: null, paths: ['big'] });
});

test('conflicts that are not resolved are not put up', async () => {
  await writeFile(join(clone, 'both'), '<<<<<<< ours\n');
  const source = await storeSession('', true);
  const prepared = await prepareCandidate(deps(), input({ kind: 'session', ...source }), signal);
  expect(prepared).toMatchObject({ state: 'unfit', headCommit: null, detail: expect.stringContaining('not resolved') });
});

test('a squash has one parent; a branch that is checked out, and a hook of the remote, are told', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const source = await storeSession();
  const candidate = await candidateOf(source);
  const squashed = await pushCandidate(deps(), pushInput(candidate, { method: 'squash' }), signal);
  expect(squashed.state).toBe('merged');
  expect(await inUpstream('log', '-1', '--format=%P', 'main')).toBe(candidate.target);

  await newUpstream();
  await writeFile(join(clone, 'new'), 'new');
  const session = await storeSession();
  await inClone('checkout', '-q', '-f', 'main');
  const checkedOut = { url: clone, defaultBranch: 'main' };
  const prepared = await prepareCandidate(
    deps(),
    input({ kind: 'session', ...session }, { repository: checkedOut }),
    signal,
  );
  if (prepared.state !== 'clean') throw new Error(JSON.stringify(prepared));
  const head = await inClone('rev-parse', 'main');
  const refused = await pushCandidate(deps(), pushInput(prepared.candidate, { repository: checkedOut }), signal);
  expect(refused).toMatchObject({ state: 'refused', detail: expect.stringContaining('main is checked out') });
  expect(await inClone('rev-parse', 'main')).toBe(head);
  await run('git', ['config', 'receive.denyDeletes', 'true'], { cwd: upstream });
  await run('git', ['config', 'receive.maxInputSize', '10'], { cwd: upstream });
  const tooLarge = await pushCandidate(deps(), pushInput(await candidateOf(session), { fence: null }), signal).catch(
    String,
  );
  expect(JSON.stringify(tooLarge)).toMatch(/refused|did not end well/);
});

test('a remote that is away is unreachable, and nothing was sent to it', async () => {
  await writeFile(join(clone, 'new'), 'new');
  const candidate = await candidateOf(await storeSession());
  await run('mv', [upstream, `${upstream}.away`]);
  expect(await pushCandidate(deps(), pushInput(candidate), signal)).toMatchObject({ state: 'unreachable' });
  await run('mv', [`${upstream}.away`, upstream]);
  expect(await pushCandidate(deps(), pushInput(candidate), signal)).toMatchObject({ state: 'merged' });
});

test('a repository of the other object format goes the same way', async () => {
  await newUpstream('sha256');
  await writeFile(join(clone, 'new'), 'new');
  await chmod(join(clone, 'new'), 0o755);
  const candidate = await candidateOf(await storeSession());
  expect(candidate.headCommit).toHaveLength(64);
  expect(await pushCandidate(deps(), pushInput(candidate), signal)).toMatchObject({
    state: 'merged',
    tree: candidate.tree,
  });
  await rm(clone, { recursive: true });
});
