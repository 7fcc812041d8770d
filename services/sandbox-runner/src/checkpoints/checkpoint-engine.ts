// Checkpoints of a session: its work tree as a commit, with what its repository needs beside it, stored as bundles, and made again from them.
//
// 1. Taken again with the same id, whoever died in between, a checkpoint is the same one, or a later state under the same number; there
//    are never two of a number.
// 2. It is answered once its bundle is stored for certain and its `files.changed` are in the stream.
// 3. The caller's `previous` is the truth: a number that follows it and was never answered is taken anew.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CheckpointRef, RestorePoint, StoredArtifact } from '@worktrail/contract/checkpoints';
import { isId } from '@worktrail/contract/ids';
import type {
  CheckpointInput,
  CheckpointResult,
  OpenSandboxInput,
  RevertInput,
  SandboxRef,
} from '@worktrail/contract/sandbox-activities';
import type { RevertedFiles } from '@worktrail/contract/session-messages';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { StartProgram } from '../host/program-start.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { Upstream } from '../repositories/repository-mirror.ts';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { changesFromBase } from './changes-from-base.ts';
import { readPosition } from './branch-position.ts';
import { type ChangedFile, readChangedFiles } from './changed-files.ts';
import { publishChangedFiles, recoverPublished } from './changed-files-events.ts';
import { diffTree } from './diff-tree.ts';
import { readSandboxScript } from './sandbox-script.ts';
import { type Manifest, openSessionStore, removeSessionStore, type SessionStore } from './session-store.ts';
import { GitFailed } from './store-git.ts';
import { takeBundle } from './stored-bundles.ts';
import { RecordingFailed, type RecordingLimits, recordWorkspace } from './workspace-recording.ts';
import { restoreWorkspace, revertWorkspace } from './workspace-restoring.ts';

/** What no checkpoint has, for people. */
const neverKept = ['ignored files', 'empty directories', 'modes but for the executable bit'];

export interface RestoredFiles {
  headCommit: string | null;
  /** For people. */
  notKept: string[];
}

export interface CheckpointEngine {
  /** Everything up to the stored bundle; `files.changed` is published before it answers. */
  take(sandbox: OpenSandbox, input: CheckpointInput, signal: AbortSignal): Promise<CheckpointResult>;
  /**
   * Fills the session's own store on this host from the bundles, so that `take` can go on and `restoreInto` has what it needs.
   * @throws BaseCommitMissing, ArtifactMissing, ArtifactCorrupt
   */
  fetch(session: SandboxRef, restore: RestorePoint, upstreamObjects: string, signal: AbortSignal): Promise<void>;
  /**
   * In an open sandbox whose workspace is empty: repository, refs, index, half-done operations and files as in `input.restore.checkpoint`.
   * `fetch` comes before.
   */
  restoreInto(
    sandbox: OpenSandbox,
    input: OpenSandboxInput,
    upstream: Upstream,
    signal: AbortSignal,
  ): Promise<RestoredFiles>;
  /**
   * In an open sandbox, of whose files `input.from` is the newest checkpoint: repository, refs, index, half-done operations and files as
   * in `input.to`. @throws CheckpointMissing, ArtifactMissing, ArtifactCorrupt before anything was touched
   */
  revert(sandbox: OpenSandbox, input: RevertInput, signal: AbortSignal): Promise<RevertedFiles>;
}

export interface CheckpointEngineDeps {
  start: StartProgram;
  artifacts: ArtifactStore;
  events: ProducerDeps;
  /** Where a session's directory is on this host. */
  sessionPath: (sessionId: string) => string;
  sandboxUser: number;
  limits: RecordingLimits;
  clock: () => number;
}

/** The session's store does not hold the checkpoint that is asked for; `fetch` fills it. */
export class CheckpointMissing extends Error {
  override readonly name = 'CheckpointMissing';
}

export const defaultCheckpointLimits: Omit<RecordingLimits, 'diskReserveBytes'> = {
  fileBytesMax: 100 * 1024 ** 2,
  packBytesMax: 4 * 1024 ** 3,
  timeoutMs: 300_000,
};

const diffBytesMax = 32 * 1024 ** 2;

export function createCheckpointEngine(deps: CheckpointEngineDeps): CheckpointEngine {
  const lock = createKeyedLock();
  const { start } = deps;
  const record = readSandboxScript('record.sh');
  const restore = readSandboxScript('restore.sh');
  const recording = {
    script: record,
    limits: deps.limits,
    sandboxUser: deps.sandboxUser,
    clock: deps.clock,
    log: deps.events.log,
  };
  const { timeoutMs, fileBytesMax } = deps.limits;
  const restoring = { script: restore, timeoutMs, fileBytesMax, sandboxUser: deps.sandboxUser };

  return {
    take: (sandbox, input, signal) =>
      lock.run(input.sessionId, async () => {
        const sessionPath = deps.sessionPath(input.sessionId);
        const { baseCommit, previous, defaultBranch } = input;
        const { upstreamObjects } = sandbox.record;
        return withWholeStore({ start, sessionPath, upstreamObjects, baseCommit }, signal, async (store) => {
          let [manifest, known] = await store.readAll([input.number, ...(previous ? [previous.number] : [])], signal);
          const before = await findPrevious(deps, store, sessionPath, input, known, signal);
          let changed: Changed | undefined;
          if (manifest?.checkpointId !== input.checkpointId) {
            const fingerprint = input.evenIfUnchanged ? null : (before?.fingerprint ?? null);
            const request = { baseCommit, carrier: before?.carrier ?? null, fingerprint };
            const recorded = await recordWorkspace(recording, sandbox, store, request, signal);
            const { headCommit, headRef } = recorded;
            if (!recorded.changed) {
              const position = await readPosition(
                store.path,
                { start, headCommit, upstreamObjects, defaultBranch },
                signal,
              );
              return { changed: false, headCommit, headRef, position };
            }
            ({ manifest, changed } = await keep(store, input, before, recorded, deps.clock(), signal));
          }
          const { createdMs, commit, headCommit } = manifest;
          changed ??= await readDiff(store, previous?.commit ?? baseCommit, commit, signal);
          const [bundle, fromBase, position, published] = await Promise.all([
            storeBundle(deps, store, sessionPath, input, commit, signal),
            changesFromBase(store, manifest, signal),
            readPosition(store.path, { start, headCommit, upstreamObjects, defaultBranch }, signal),
            recoverPublished(deps.events, input, signal),
          ]);
          await publishChangedFiles(deps.events, input, published, { ...changed, createdMs }, signal);
          const checkpoint = { ...factsOf(manifest), ...(fromBase && { fromBase }) };
          return { changed: true, checkpoint, bundle, position };
        });
      }),

    fetch: (session, { baseCommit, bundles, checkpoint }, upstreamObjects, signal) =>
      lock.run(session.sessionId, async () => {
        if (!checkpoint) return;
        const sessionPath = deps.sessionPath(session.sessionId);
        await withWholeStore({ start, sessionPath, upstreamObjects, baseCommit }, signal, (store) =>
          fillStore(deps, store, { sessionPath, checkpoint, bundles }, signal),
        );
      }),

    restoreInto: (sandbox, input, upstream, signal) =>
      lock.run(input.sessionId, async () => {
        const checkpoint = input.restore?.checkpoint;
        if (!input.restore || !checkpoint) throw new CheckpointMissing('there is no checkpoint to restore');
        const sessionPath = deps.sessionPath(input.sessionId);
        const { baseCommit } = input.restore;
        const store = await openSessionStore(
          { start, sessionPath, upstreamObjects: upstream.objectsPath, baseCommit },
          signal,
        );
        const manifest = await store.read(checkpoint.number, signal);
        if (!manifest || !isOf(manifest, checkpoint)) throw missing(checkpoint);
        const { headCommit, notKept } = await restoreWorkspace(
          restoring,
          sandbox,
          store,
          manifest,
          { branch: input.branch, branchesBefore: input.branchesBefore ?? [], ...upstream },
          signal,
        );
        return { headCommit, notKept: [...neverKept, ...manifest.notKept, ...notKept] };
      }),

    revert: (sandbox, input, signal) =>
      lock.run(input.sessionId, async () => {
        const { revertId, to, from, baseCommit, bundles, branch, branchesBefore = [], repository } = input;
        const sessionPath = deps.sessionPath(input.sessionId);
        const { upstreamObjects } = sandbox.record;
        return withWholeStore({ start, sessionPath, upstreamObjects, baseCommit }, signal, async (store) => {
          await fillStore(deps, store, { sessionPath, checkpoint: from, bundles }, signal);
          await fillStore(deps, store, { sessionPath, checkpoint: to, bundles }, signal);
          const manifest = await store.read(to.number, signal);
          const before = await store.read(from.number, signal);
          if (!manifest || !before) throw missing(to);
          const fresh = { branch, branchesBefore, ...repository, defaultCommit: baseCommit };
          return revertWorkspace(restoring, sandbox, store, manifest, before, { fresh, key: revertId, signal });
        });
      }),
  };
}

/** A store that turns out to be damaged is made anew, once: all that counts of it is in the bundles. */
async function withWholeStore<T>(
  of: Parameters<typeof openSessionStore>[0],
  signal: AbortSignal,
  work: (store: SessionStore) => Promise<T>,
): Promise<T> {
  const store = await openSessionStore(of, signal);
  try {
    return await work(store);
  } catch (error) {
    if (!(error instanceof GitFailed || error instanceof RecordingFailed)) throw error;
    if (await store.isWhole(signal)) throw error;
    await removeSessionStore(of.sessionPath);
    return work(await openSessionStore(of, signal));
  }
}

/** The manifest of the newest stored checkpoint: the one that is `known`, or else what this host does not have of it is fetched. */
async function findPrevious(
  deps: CheckpointEngineDeps,
  store: SessionStore,
  sessionPath: string,
  { previous, bundles }: CheckpointInput,
  known: Manifest | undefined,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  if (!previous) return undefined;
  if (known && isOf(known, previous)) return known;
  await fillStore(deps, store, { sessionPath, checkpoint: previous, bundles }, signal);
  return store.read(previous.number, signal);
}

/** Leaves the store with the checkpoint in it, from the bundles where it is not. */
export async function fillStore(
  deps: { artifacts: Pick<ArtifactStore, 'get'>; limits: Pick<RecordingLimits, 'diskReserveBytes'> },
  store: SessionStore,
  wanted: { sessionPath: string; checkpoint: CheckpointRef; bundles: StoredArtifact[] },
  signal: AbortSignal,
): Promise<void> {
  const { sessionPath, checkpoint, bundles } = wanted;
  const known = await store.read(checkpoint.number, signal);
  if (known && isOf(known, checkpoint)) return;
  const { diskReserveBytes } = deps.limits;
  for (const bundle of bundles) {
    await takeBundle({ artifacts: deps.artifacts, diskReserveBytes }, store, sessionPath, bundle, signal);
  }
  const manifest = await store.read(checkpoint.number, signal);
  if (!manifest || !isOf(manifest, checkpoint)) throw missing(checkpoint);
}

async function keep(
  store: SessionStore,
  input: CheckpointInput,
  before: Manifest | undefined,
  recorded: Extract<Awaited<ReturnType<typeof recordWorkspace>>, { changed: true }>,
  createdMs: number,
  signal: AbortSignal,
): Promise<{ manifest: Manifest; changed: Changed }> {
  const { checkpointId, number, commandId, baseCommit } = input;
  const { tree, carrier, fingerprint, headCommit, headRef, notKept, leftOut, withoutRepository } = recorded;
  const parent = before?.commit ?? baseCommit;
  const message = `Checkpoint ${number}`;
  const commit = await store.commit({ tree, parents: [parent], message, createdMs });
  const changed = await readDiff(store, parent, commit, signal);
  const filesChanged = changed.truncated ? await countChanged(store, parent, commit, signal) : changed.files.length;
  const carrierBefore = before?.carrier ?? null;
  const facts = { commit, tree, carrier, carrierBefore, fingerprint, headCommit, headRef, filesChanged, notKept };
  const manifest: Manifest = {
    version: 1,
    ...{ checkpointId, number, commandId, createdMs, baseCommit, withoutRepository },
    ...facts,
    leftOut,
  };
  await store.publish(manifest, signal);
  return { manifest, changed };
}

/** The file is kept until a later checkpoint is taken: stored again, it is the same, byte for byte. */
async function storeBundle(
  { artifacts }: CheckpointEngineDeps,
  store: SessionStore,
  sessionPath: string,
  input: CheckpointInput,
  commit: string,
  signal: AbortSignal,
): Promise<StoredArtifact> {
  const { organizationId, sessionId, generation, number, checkpointId, compact, baseCommit } = input;
  if (!isId(checkpointId, 'checkpoint')) throw new Error('malformed checkpoint id');
  const directory = join(sessionPath, 'bundles');
  // By its id too: the same files in the same second are the same commit, of another checkpoint.
  const name = `${number}-${checkpointId}-${commit}${compact ? '-all' : ''}`;
  const path = join(directory, name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const other of await readdir(directory)) {
    if (other !== name) await rm(join(directory, other), { force: true });
  }
  if (!existsSync(path)) {
    if (compact) await store.compact(signal);
    await store.writeBundle(`${path}.new`, number, compact, baseCommit, signal);
    await rename(`${path}.new`, path);
  }
  // The same checkpoint may be packed in other bytes another time: those have another name.
  const digest = createHash('sha256');
  await pipeline(createReadStream(path), digest, { signal });
  const content = digest.digest('hex').slice(0, 16);
  const artifact = `${organizationId}/${sessionId}/bundle-g${generation}-${number}-${checkpointId}-${content}`;
  return artifacts.put(artifact, path, signal);
}

interface Changed {
  files: ChangedFile[];
  truncated: boolean;
}

async function readDiff(store: SessionStore, parent: string, commit: string, signal: AbortSignal): Promise<Changed> {
  const options = { signal, stdoutBytesMax: diffBytesMax, stdoutCut: true };
  const output = await diffTree(store.git, ['-z', '--raw', '--numstat', parent, commit], options);
  return { files: readChangedFiles(output), truncated: output.length >= diffBytesMax };
}

async function countChanged(store: SessionStore, parent: string, commit: string, signal: AbortSignal): Promise<number> {
  const said = await diffTree(store.git, ['--shortstat', parent, commit], { signal });
  return Number(/^\s*(\d+) files? changed/.exec(said.toString())?.[1] ?? 0);
}

function isOf(manifest: Manifest, checkpoint: CheckpointRef): boolean {
  return (
    manifest.checkpointId === checkpoint.id &&
    manifest.commit === checkpoint.commit &&
    manifest.tree === checkpoint.tree
  );
}

function missing({ number, id }: CheckpointRef): CheckpointMissing {
  return new CheckpointMissing(`checkpoint ${number} (${id}) is not in the session's bundles`);
}

function factsOf(manifest: Manifest) {
  const { checkpointId: id, number, commit, tree, filesChanged, headCommit, headRef, notKept, leftOut } = manifest;
  return { id, number, commit, tree, filesChanged, headCommit, headRef, notKept, ...(leftOut && { leftOut }) };
}
