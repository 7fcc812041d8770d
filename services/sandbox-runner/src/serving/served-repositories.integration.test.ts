import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { buckets, sessionKey } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NatsArtifactStore, openNatsArtifactStore } from '../artifacts/artifact-store-nats.ts';
import { commitTree, openSessionStore, type SessionStore } from '../checkpoints/session-store.ts';
import { openGit } from '../repositories/git-program.ts';
import { createRepositoryMirrors, type RepositoryMirrors } from '../repositories/repository-mirror.ts';
import { createRequestRouter } from '../requests/request-router.ts';
import { gitRoutes } from '../requests/git-routes.ts';
import { log, makeRepository, noCredentials } from '../runner-bench.ts';
import { openServedRepositories, type ServedRepositories } from './served-repositories.ts';
import { callGitAsChild } from '../host/git-call.ts';
import { startAsChild } from '../host/program-start.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const organizationId = newId('organization');
const token = 'internal';
let scratch: Scratch;
let nats: NatsServer;
let connection: NatsConnection;
let artifacts: NatsArtifactStore;
let sessions: KV;
let mirrors: RepositoryMirrors;
let served: ServedRepositories;
let server: Server;
/** Names of the artifacts that were fetched. */
const fetched: string[] = [];
const upstream = () => join(scratch.path, 'repositories', 'upstream');
const repository = () => ({ url: upstream(), defaultBranch: 'main' });

beforeAll(async () => {
  scratch = await makeScratch('served');
  nats = await startNatsServer(join(scratch.path, 'nats'));
  connection = await connect({ servers: nats.url });
  const bounds = { replicas: 1, storeBytesMax: null, objectBytesMax: 1024 ** 3, clock: Date.now };
  const js = { js: jetstream(connection), jsm: await jetstreamManager(connection) };
  artifacts = await openNatsArtifactStore({ ...js, ...bounds });
  sessions = await openBucket(connection, buckets.sessions);
  await makeRepository(upstream());
  await writeFile(join(upstream(), 'large'), randomBytes(24 * 1024 ** 2));
  await inUpstream('add', '.');
  await inUpstream('commit', '-q', '-m', 'large');
  const dataDirectory = join(scratch.path, 'data');
  const git = await openGit(dataDirectory, callGitAsChild, signal);
  const nothing = async () => undefined;
  const pins = { noteTips: nothing, keepLostTips: nothing, restore: nothing };
  const roots = { allowed: [join(scratch.path, 'repositories')], stateDirectory: dataDirectory, ssh: false };
  mirrors = createRepositoryMirrors({ dataDirectory, roots, git, pins, credentials: noCredentials });
  const counted: Pick<NatsArtifactStore, 'get' | 'find'> = {
    find: (name) => artifacts.find(name),
    get: (artifact, ...rest) => {
      fetched.push(artifact.name);
      return artifacts.get(artifact, ...rest);
    },
  };
  served = await openServedRepositories({
    ...{
      start: startAsChild,
      dataDirectory,
      diskReserveBytes: 0,
      mirrors,
      sessions,
      artifacts: counted,
      clock: Date.now,
      log,
    },
  });
  const router = createRequestRouter(gitRoutes(served), { token, log, stopping: signal });
  server = createServer((request, response) => {
    // As a gateway would: git's paths are the runner's.
    request.url = request
      .url!.replace(/^\/(prj_\w+)\.git\/info\/refs.*/, '/internal/v1/git/$1/refs?protocol=2')
      .replace(/^\/(prj_\w+)\.git\/git-upload-pack/, '/internal/v1/git/$1/upload-pack?protocol=2');
    request.headers.authorization = `Bearer ${token}`;
    const isRefs = request.url.includes('/refs');
    response.setHeader('content-type', `application/x-git-upload-pack-${isRefs ? 'advertisement' : 'result'}`);
    router(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await connection?.close();
  await nats?.stop();
  await scratch?.remove();
});

const inUpstream = async (...args: string[]) =>
  (
    await run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd: upstream() })
  ).stdout.trim();
const address = (projectId: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${projectId}.git`;
const git = async (...args: string[]) =>
  (await run('git', ['-c', 'protocol.version=2', ...args], { env: { ...process.env, GIT_TERMINAL_PROMPT: '0' } }))
    .stdout;
const prepare = (projectId: string, sessionIds: string[]) =>
  served.prepare({ projectId, organizationId, repository: repository(), sessionIds }, signal);

/** A session as its runner keeps it, whose checkpoints stand in the artifact store and in its document. */
async function makeSession(projectId: string) {
  const sessionId = newId('session');
  const branch = `worktrail/try-${sessionId.slice(-8)}`;
  const request = { organizationId, projectId, repository: repository(), baseRef: null };
  const { objectsPath, baseCommit } = await mirrors.sync(request);
  const sessionPath = join(scratch.path, 'sessions', sessionId);
  const store = await openSessionStore(
    { start: startAsChild, sessionPath, upstreamObjects: objectsPath, baseCommit },
    signal,
  );
  const document = {
    ...{ version: 1, id: sessionId, organizationId, projectId, branch, baseCommit, repository: repository() },
    ...{ checkpoint: null, artifacts: [], state: 'ready', generation: 1 },
  } as unknown as SessionDocument;
  const publish = () => sessions.put(sessionKey(organizationId, sessionId), JSON.stringify(document));
  await publish();
  const session = { id: sessionId, branch, document, tip: baseCommit, checkpoint: '', keep };
  return session;

  /** Commits a file on the branch, and keeps another that is not committed. */
  async function keep(text: string, isLost = false): Promise<void> {
    const number = (document.checkpoint?.number ?? 0) + 1;
    // The second time HEAD is on the branch, in a repository whose configuration git cannot read.
    const ofHead = number === 2 ? `refs/heads/${branch}` : null;
    const committed = await treeOf(store, { committed: text });
    session.tip = await commitOf(store, committed, [session.tip], text);
    const work = await treeOf(store, { committed: text, open: text });
    const parent = document.checkpoint?.commit ?? baseCommit;
    const commit = await commitOf(store, work, [parent], `Checkpoint ${number}`);
    const ref = await blobOf(store, `${session.tip}\n`);
    const heads = await mktree(store, `100644 blob ${ref}\t${branch.split('/')[1]}\n`);
    const worktrail = await mktree(store, `040000 tree ${heads}\tworktrail\n`);
    const refs = await mktree(store, `040000 tree ${worktrail}\theads\n`);
    const dotgit = await mktree(store, `040000 tree ${refs}\trefs\n`);
    const carrier = await commitOf(
      store,
      await mktree(store, `040000 tree ${dotgit}\tdotgit\n`),
      [session.tip],
      'state',
    );
    const checkpointId = newId('checkpoint');
    await store.publish(
      {
        ...{
          version: 1,
          checkpointId,
          number,
          commandId: '',
          createdMs: 1_700_000_000_000,
          baseCommit,
          commit,
          tree: work,
        },
        ...{ carrier, carrierBefore: null, fingerprint: carrier, headCommit: null, headRef: ofHead },
        ...{ filesChanged: 1, notKept: [], withoutRepository: false },
      },
      signal,
    );
    const bundle = join(scratch.path, `${checkpointId}.bundle`);
    await store.writeBundle(bundle, number, false, baseCommit, signal);
    const name = `${organizationId}/${sessionId}/bundle-g1-${number}-${checkpointId}-0`;
    if (!isLost) await artifacts.put(name, bundle, signal);
    await rm(bundle);
    document.checkpoint = { id: checkpointId, number, commit, tree: work };
    document.artifacts.push(name);
    session.checkpoint = `refs/worktrail/checkpoints/${sessionId}/${number}`;
    await publish();
  }
}

const blobOf = async (store: SessionStore, stdin: string) =>
  (await store.git(['hash-object', '-w', '--stdin'], { signal, stdin })).toString().trim();
const mktree = async (store: SessionStore, stdin: string) =>
  (await store.git(['mktree'], { signal, stdin })).toString().trim();
const commitOf = (store: SessionStore, tree: string, parents: string[], message: string) =>
  commitTree(store.git, { tree, parents, message, createdMs: 1_700_000_000_000 }, signal);
async function treeOf(store: SessionStore, files: Record<string, string>): Promise<string> {
  const lines: string[] = [];
  for (const [name, text] of Object.entries(files)) lines.push(`100644 blob ${await blobOf(store, text)}\t${name}\n`);
  return mktree(store, lines.join(''));
}

test('a project shows the branches of upstream, and of its sessions as their bundles have them; each bundle is fetched once', async () => {
  const projectId = newId('project');
  const first = await makeSession(projectId);
  const fresh = await makeSession(projectId);
  const lost = await makeSession(projectId);
  const stranger = await makeSession(newId('project'));
  await first.keep('one');
  await lost.keep('lost', true);
  await stranger.keep('of another project');
  const ids = [first, fresh, lost, stranger].map(({ id }) => id);
  const mirrored = await readdir(
    join(
      (await mirrors.provide({ organizationId, projectId, repository: repository() }, first.document.baseCommit!))
        .objectsPath,
      'pack',
    ),
  );
  await prepare(projectId, ids);
  const listed = async () =>
    new Map(
      (await git('ls-remote', address(projectId)))
        .trim()
        .split('\n')
        .map((line) => line.split('\t').toReversed() as [string, string]),
    );
  const refs = await listed();
  expect(refs.get('refs/heads/main')).toBe(await inUpstream('rev-parse', 'main'));
  expect(refs.get('refs/heads/feature/other')).toBe(await inUpstream('rev-parse', 'feature/other'));
  expect(refs.get(`refs/heads/${first.branch}`)).toBe(first.tip);
  expect(refs.get(first.checkpoint)).toBe(first.document.checkpoint!.commit);
  expect(refs.get(`refs/heads/${fresh.branch}`)).toBe(fresh.document.baseCommit);
  expect([...refs.keys()].filter((name) => name.includes(lost.branch) || name.includes(stranger.branch))).toEqual([]);

  const clone = join(scratch.path, 'clone');
  await git('clone', '-q', '--branch', first.branch, address(projectId), clone);
  expect(await git('-C', clone, 'show', 'HEAD:committed')).toBe('one');
  await first.keep('two');
  await prepare(projectId, ids);
  await git('-C', clone, 'pull', '-q', '--ff-only');
  await git('-C', clone, 'fetch', '-q', 'origin', first.checkpoint);
  expect(await git('-C', clone, 'show', 'FETCH_HEAD:open')).toBe('two');
  await git('-C', clone, 'fsck', '--strict', '--connectivity-only');
  expect(fetched.filter((name) => name.includes(first.id))).toEqual(first.document.artifacts);
  const { objectsPath } = await mirrors.sync({ organizationId, projectId, repository: repository(), baseRef: null });
  expect(await readdir(join(objectsPath, 'pack'))).toEqual(mirrored);
});

test('a fork that was never opened shows its branch where its ancestor’s was, and nothing of theirs since', async () => {
  const projectId = newId('project');
  const parent = await makeSession(projectId);
  await parent.keep('one');
  const { tip, document } = parent;
  const forkOf = async (...ancestors: string[]) => {
    const id = newId('session');
    const branch = `worktrail/try-${id.slice(-8)}`;
    const inherited = ancestors.map((one) => ({ sessionId: newId('session'), branch: one, upTo: 'x' }));
    const fork = { sessionId: parent.id, checkpointId: document.checkpoint!.id };
    const own = { ...document, id, branch, fork, inherited, artifacts: [...document.artifacts], state: 'hibernated' };
    await sessions.put(sessionKey(organizationId, id), JSON.stringify(own));
    return { id, branch };
  };
  const fork = await forkOf(parent.branch);
  const ofFork = await forkOf(parent.branch, fork.branch);
  await parent.keep('two');
  await prepare(projectId, [parent.id, fork.id, ofFork.id]);
  const refs = await git('ls-remote', '--heads', address(projectId), 'worktrail/*');
  const shown = [parent, { ...fork, tip }, { ...ofFork, tip }].map((one) => `${one.tip}\trefs/heads/${one.branch}`);
  expect(refs.trim().split('\n').toSorted()).toEqual(shown.toSorted());
});

test('with upstream away a project is served as it was mirrored', async () => {
  const projectId = newId('project');
  const session = await makeSession(projectId);
  await session.keep('kept');
  await rename(join(upstream(), '.git', 'HEAD'), join(upstream(), '.git', 'HEAD-away'));
  try {
    await prepare(projectId, [session.id]);
    expect(await git('ls-remote', address(projectId), `refs/heads/${session.branch}`)).toContain(session.tip);
  } finally {
    await rename(join(upstream(), '.git', 'HEAD-away'), join(upstream(), '.git', 'HEAD'));
  }
});

test('a project that was not prepared is not found, and a reader that goes frees its turn', async () => {
  const projectId = newId('project');
  await expect(git('ls-remote', address(projectId))).rejects.toThrow('not found');
  await prepare(projectId, []);
  const want = await inUpstream('rev-parse', 'main');
  const line = (text: string) => (text.length + 4).toString(16).padStart(4, '0') + text;
  const body = `${line('command=fetch\n')}0001${line('ofs-delta\n')}${line(`want ${want}\n`)}${line('done\n')}0000`;
  // More than there are turns: each is let go of once its pack has begun.
  for (let count = 0; count < 20; count += 1) {
    const gone = new AbortController();
    const answer = await fetch(`${address(projectId)}/git-upload-pack`, { method: 'POST', body, signal: gone.signal });
    const reader = answer.body!.getReader();
    expect((await reader.read()).value!.length).toBeGreaterThan(0);
    gone.abort();
    await reader.closed.catch(() => undefined);
  }
  const clone = join(scratch.path, 'after');
  await git('clone', '-q', '--bare', address(projectId), clone);
  expect(await git('-C', clone, 'rev-parse', 'main')).toBe(`${want}\n`);
});
