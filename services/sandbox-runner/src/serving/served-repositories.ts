// A project's repository for plain git over HTTP: upstream's branches and those of its sessions, to be read and never written.
//
//   <data>/served/<project>/repository.git           refs only; borrows from the mirror and from what follows
//   <data>/served/<project>/<session>/store.git      what the session's bundles hold
//
// 1. Everything in it comes from the mirror and from bundles that the artifact store has: whichever runner has the session, and whether or
//    not it sleeps. No sandbox writes to it, nothing of it gets into the mirror, and each object of a bundle was checked (session-store.ts).
// 2. It is a copy: thrown away when the runner starts, and the longest unread first when there are `projectsMax`.
// 3. At most `packsMax` requests for objects are answered at once, `packsPerProjectMax` of one project; the others wait in line, and after
//    `turnMsMax` are told to come again. One that nobody reads ends.

import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KV } from '@nats-io/kv';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import type { ServeRequest } from '@worktrail/contract/served-repositories';
import { sessionKey } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Logger } from '@worktrail/runtime/log';
import { createTurns } from '@worktrail/runtime/turns';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { checkObjects, makeStore, openSessionStore, type SessionStore } from '../checkpoints/session-store.ts';
import { createStoreGit, type StoreGit } from '../checkpoints/store-git.ts';
import { bundlesAmong, takeBundle } from '../checkpoints/stored-bundles.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { StartProgram } from '../host/program-start.ts';
import type { RepositoryMirrors, Upstream } from '../repositories/repository-mirror.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { packedRefs, readRefs, type ServedSession, servedRefs } from './served-refs.ts';
import { findBranchTip } from './session-branch.ts';

export type ServedProject = ServeRequest & { projectId: string };

export interface ServedRepositories {
  /** Makes the project's repository as it is now. @throws SessionFailure where not even the mirror can be had */
  prepare(project: ServedProject, signal: AbortSignal): Promise<void>;
  /** @throws WorktrailError `not_found` where it was not prepared by this process, `rate_limited` */
  uploadPack(projectId: string, request: UploadPack, signal: AbortSignal): Promise<void>;
}

export interface UploadPack {
  /** Tells what there is, instead of answering a request. */
  advertise: boolean;
  protocol: '0' | '1' | '2';
  body?: NodeJS.ReadableStream;
  /** Resolves when there is room for more. */
  take: (chunk: Buffer) => Promise<void>;
}

export interface ServedRepositoriesDeps {
  start: StartProgram;
  dataDirectory: string;
  diskReserveBytes: number;
  mirrors: RepositoryMirrors;
  sessions: KV;
  artifacts: Pick<ArtifactStore, 'get'> & { find(name: string): Promise<StoredArtifact | undefined> };
  clock: () => number;
  log: Logger;
}

const projectsMax = 64;
const packsMax = 8;
const packsPerProjectMax = 4;
const turnMsMax = 20_000;
const sessionsAtOnceMax = 8;
const documentsAtOnceMax = 50;
/** Upstream is asked again no sooner. */
const upstreamAgainMs = 10_000;
const uploadPackMsMax = 3_600_000;
const refsBytesMax = 64 * 1024 ** 2;

interface Served {
  directory: string;
  readMs: number;
  askedUpstreamMs: number;
  readers: number;
  /** By session id: what its checkpoint was found to hold. */
  sessions: Map<string, { checkpointId: string; shown: ServedSession }>;
}

export async function openServedRepositories(deps: ServedRepositoriesDeps): Promise<ServedRepositories> {
  const root = join(deps.dataDirectory, 'served');
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true, mode: 0o700 });
  const lock = createKeyedLock();
  const turns = createTurns({ totalMax: packsMax, perKeyMax: packsPerProjectMax, waitMsMax: turnMsMax });
  const known = new Map<string, Served>();

  function recall(projectId: string): Served {
    if (!isId(projectId, 'project')) throw new WorktrailError('not_found', 'no such project');
    const directory = join(root, projectId);
    const served = known.get(projectId) ?? {
      ...{ directory, readMs: 0, askedUpstreamMs: 0, readers: 0 },
      sessions: new Map(),
    };
    known.set(projectId, served);
    served.readMs = deps.clock();
    return served;
  }

  async function makeRoom(): Promise<void> {
    const idle = [...known].filter(([projectId, { readers }]) => readers === 0 && !lock.isHeld(projectId));
    const oldest = idle.toSorted(([, one], [, two]) => one.readMs - two.readMs);
    for (const [projectId, { directory }] of oldest.slice(0, Math.max(0, known.size - projectsMax))) {
      known.delete(projectId);
      await lock.run(projectId, () => rm(directory, { recursive: true, force: true }));
    }
  }

  return {
    async prepare(project, signal) {
      const served = recall(project.projectId);
      served.readers += 1;
      try {
        await lock.run(project.projectId, () => prepare(deps, served, project, signal));
      } finally {
        served.readers -= 1;
      }
      await makeRoom();
    },
    async uploadPack(projectId, { advertise, protocol, body, take }, signal) {
      const served = known.get(projectId);
      const path = join(served?.directory ?? '', 'repository.git');
      if (!served || !existsSync(join(path, 'packed-refs')))
        throw new WorktrailError('not_found', 'the repository is not prepared');
      served.readMs = deps.clock();
      served.readers += 1;
      try {
        await turns.take(projectId, signal, async () => {
          const args = ['upload-pack', '--strict', '--stateless-rpc', ...(advertise ? ['--advertise-refs'] : []), path];
          const env = { GIT_PROTOCOL: `version=${protocol}` };
          const options = { signal, env, timeoutMs: uploadPackMsMax };
          const stdin = body ? { stdin: { stream: body } } : {};
          await createStoreGit(path, deps.start)(args, { ...options, ...stdin, stdout: { take } });
        });
      } finally {
        served.readers -= 1;
      }
    },
  };
}

async function prepare(
  deps: ServedRepositoriesDeps,
  served: Served,
  project: ServedProject,
  signal: AbortSignal,
): Promise<void> {
  const upstream = await findUpstream(deps, served, project);
  const path = join(served.directory, 'repository.git');
  await mkdir(served.directory, { recursive: true, mode: 0o700 });
  if (!existsSync(path)) await makeStore(path, upstream.objectsPath, upstream.defaultCommit);
  const documents = await readDocuments(deps, project);
  const shown: (ServedSession & { hasStore: boolean })[] = [];
  for (let from = 0; from < documents.length; from += sessionsAtOnceMax) {
    const some = documents.slice(from, from + sessionsAtOnceMax);
    const found = await Promise.all(
      some.map((document) => sessionOf(deps, served, project, document, upstream, signal)),
    );
    shown.push(...found.filter((one) => one !== undefined));
  }
  const git = createStoreGit(path, deps.start);
  const stores = shown.filter(({ hasStore }) => hasStore).map(({ sessionId }) => storeObjects(served, sessionId));
  await replaceFile(join(path, 'objects', 'info', 'alternates'), lines([upstream.objectsPath, ...stores]));
  if (upstream.shallow !== '') await replaceFile(join(path, 'shallow'), upstream.shallow);
  else await rm(join(path, 'shallow'), { force: true });
  await replaceFile(join(path, 'HEAD'), `ref: refs/heads/${upstream.defaultBranch}\n`);
  const refs = servedRefs(await readUpstreamRefs(deps.start, upstream, signal), shown);
  await replaceFile(join(path, 'packed-refs'), packedRefs(await presentRefs(git, refs, signal)));
}

/** Upstream is asked, unless it was just now; where it does not answer, what is mirrored will do. */
async function findUpstream(
  { mirrors, clock, log }: ServedRepositoriesDeps,
  served: Served,
  { organizationId, projectId, repository }: ServedProject,
): Promise<Upstream> {
  const request = { organizationId, projectId, repository };
  const isRecent = clock() - served.askedUpstreamMs < upstreamAgainMs;
  const recent = isRecent ? await mirrors.present(request) : undefined;
  if (recent) return recent;
  try {
    const upstream = await mirrors.sync({ ...request, baseRef: null });
    served.askedUpstreamMs = clock();
    return upstream;
  } catch (error) {
    const present = error instanceof SessionFailure ? await mirrors.present(request) : undefined;
    if (!present) throw error;
    served.askedUpstreamMs = clock();
    log.info({ projectId, reason: (error as Error).message }, 'served as it was mirrored: upstream cannot be fetched');
    return present;
  }
}

async function readDocuments(
  { sessions }: ServedRepositoriesDeps,
  { organizationId, projectId, sessionIds }: ServedProject,
): Promise<SessionDocument[]> {
  const found: SessionDocument[] = [];
  for (let from = 0; from < sessionIds.length; from += documentsAtOnceMax) {
    const some = sessionIds.slice(from, from + documentsAtOnceMax);
    const read = (id: string) => readDocument<SessionDocument>(sessions, sessionKey(organizationId, id));
    for (const stored of await Promise.all(some.map(read))) {
      if (stored?.value.projectId === projectId) found.push(stored.value);
    }
  }
  return found;
}

/** Undefined for one whose files cannot be had now: the others are shown without it. */
async function sessionOf(
  deps: ServedRepositoriesDeps,
  served: Served,
  project: ServedProject,
  document: SessionDocument,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<(ServedSession & { hasStore: boolean }) | undefined> {
  const { id: sessionId, branch, baseCommit, checkpoint } = document;
  if (baseCommit === null) return undefined;
  if (!checkpoint) return { sessionId, branch, tip: baseCommit, checkpoint: null, hasStore: false };
  const before = served.sessions.get(sessionId);
  if (before?.checkpointId === checkpoint.id) return { ...before.shown, hasStore: true };
  try {
    // Makes sure of the commit that the session began with.
    const { objectsPath } = await deps.mirrors.provide(project, baseCommit);
    if (objectsPath !== upstream.objectsPath) throw new Error('the repository has another mirror now');
    const sessionPath = join(served.directory, sessionId);
    await mkdir(sessionPath, { recursive: true, mode: 0o700 });
    const store = await openSessionStore(
      { start: deps.start, sessionPath, upstreamObjects: objectsPath, baseCommit },
      signal,
    );
    await takeBundles(deps, store, sessionPath, document, signal);
    const manifest = await store.read(checkpoint.number, signal);
    if (manifest?.checkpointId !== checkpoint.id)
      throw new Error(`its bundles do not have checkpoint ${checkpoint.number}`);
    const tip = await findBranchTip(store, manifest, branchesAt(document), signal);
    const shown = { sessionId, branch, tip, checkpoint: { number: checkpoint.number, commit: manifest.commit } };
    served.sessions.set(sessionId, { checkpointId: checkpoint.id, shown });
    return { ...shown, hasStore: true };
  } catch (error) {
    signal.throwIfAborted();
    deps.log.warn({ err: error, sessionId }, "a session's branch cannot be served as it is now");
    return before && { ...before.shown, hasStore: true };
  }
}

/** What the session's branch is called at its newest checkpoint, the likeliest first. */
function branchesAt({ branch, checkpoint, fork, inherited }: SessionDocument): string[] {
  const isInherited = fork != null && fork.checkpointId === checkpoint?.id;
  return [branch, ...(isInherited ? inherited.map((one) => one.branch).toReversed() : [])];
}

/** Each once, in the order in which they build on each other. */
async function takeBundles(
  deps: ServedRepositoriesDeps,
  store: SessionStore,
  sessionPath: string,
  document: SessionDocument,
  signal: AbortSignal,
): Promise<void> {
  const notePath = join(sessionPath, 'taken');
  const taken = new Set((await readFile(notePath, 'utf8').catch(() => '')).split('\n'));
  for (const name of bundlesAmong(document.artifacts).filter((one) => !taken.has(one))) {
    const artifact = await deps.artifacts.find(name);
    if (!artifact) throw new Error(`the artifact store does not have ${name}`);
    await takeBundle(deps, store, sessionPath, artifact, signal);
    await writeFile(notePath, lines([...taken.add(name)].filter((one) => one !== '')), { mode: 0o600 });
  }
}

async function readUpstreamRefs(start: StartProgram, { objectsPath }: Upstream, signal: AbortSignal) {
  const git = createStoreGit(join(objectsPath, '..'), start);
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads/', 'refs/tags/'];
  return readRefs((await git(args, { signal, stdoutBytesMax: refsBytesMax })).toString());
}

/** Those that lead to something. */
async function presentRefs(git: StoreGit, refs: ReturnType<typeof servedRefs>, signal: AbortSignal) {
  if (refs.length === 0) return [];
  const ids = refs.map(({ id }) => id);
  const found = await checkObjects(git, ids, signal);
  return refs.filter((_, index) => found[index] !== undefined);
}

function storeObjects({ directory }: Served, sessionId: string): string {
  return join(directory, sessionId, 'store.git', 'objects');
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}

/** Whole or not at all for who reads meanwhile. */
async function replaceFile(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
