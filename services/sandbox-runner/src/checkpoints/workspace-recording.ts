// Has the sandbox record its work tree (record.sh), and takes what it hands over into the session's store.
//
// 1. Everything from the sandbox is hostile: what it says is a claim, what it hands over is checked object by object.
// 2. A private git directory that is of no use is made anew; where the user's own repository is the reason, the files are kept without it.

import { join } from 'node:path';
import type { Logger } from '@worktrail/runtime/log';
import { requireDiskSpace } from '../host/disk-space.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { checkpointDirectory, setWorkAside } from './checkpoint-directory.ts';
import { NotHandedOver, openHandedOver } from './handed-over.ts';
import type { LeftOut } from '@worktrail/contract/checkpoints';
import { describeLeftOut, listLeftOut } from './left-out.ts';
import { endOfScript, type SandboxScript } from './sandbox-script.ts';
import { checkObjects, type SessionStore } from './session-store.ts';
import { GitFailed } from './store-git.ts';

export interface RecordingLimits {
  fileBytesMax: number;
  packBytesMax: number;
  diskReserveBytes: number;
  timeoutMs: number;
}

export interface RecordingDeps {
  script: SandboxScript;
  limits: RecordingLimits;
  /** Of whom commands run as. */
  sandboxUser: number;
  clock: () => number;
  log: Logger;
}

export interface RecordRequest {
  baseCommit: string;
  /** Of the newest checkpoint. */
  carrier: string | null;
  /** Of the newest checkpoint, if it is enough to hear that nothing has changed. */
  fingerprint: string | null;
}

interface UserState {
  fingerprint: string;
  headCommit: string | null;
  headRef: string | null;
}

export type Recorded =
  | ({ changed: false } & UserState)
  | ({
      changed: true;
      carrier: string;
      tree: string;
      notKept: string[];
      leftOut: LeftOut[];
      withoutRepository: boolean;
    } & UserState);

/** The sandbox could not hand over its work tree; trying again can help. */
export class RecordingFailed extends Error {
  override readonly name = 'RecordingFailed';
}

const nestedMax = 32;
const tipsMax = 4096;
const digestBytesMax = 2 * 1024 ** 3;
const stateFileBytesMax = 16 * 1024 ** 2;
const stateFilesMax = 20_000;
const leftOutBytesMax = 2 * 1024 ** 2;

export async function recordWorkspace(
  deps: RecordingDeps,
  sandbox: OpenSandbox,
  store: SessionStore,
  request: RecordRequest,
  signal: AbortSignal,
): Promise<Recorded> {
  const attempts = [
    { rebuild: false, user: true },
    { rebuild: true, user: true },
    { rebuild: true, user: false },
  ];
  let last: unknown;
  for (const { rebuild, user } of attempts) {
    signal.throwIfAborted();
    sandbox.lost.throwIfAborted();
    if (rebuild) await setWorkAside(sandbox.directory.path, deps.sandboxUser);
    try {
      return await recordOnce(deps, sandbox, store, { ...request, user }, signal);
    } catch (error) {
      if (!(error instanceof RecordingFailed || error instanceof GitFailed)) throw error;
      last = error;
      deps.log.warn({ err: error, sessionId: sandbox.record.sessionId, user }, 'a work tree could not be recorded');
    }
  }
  throw new RecordingFailed('the work tree could not be recorded', { cause: last });
}

async function recordOnce(
  { script, limits, clock }: RecordingDeps,
  sandbox: OpenSandbox,
  store: SessionStore,
  request: RecordRequest & { user: boolean },
  signal: AbortSignal,
): Promise<Recorded> {
  const { baseCommit, carrier, fingerprint, user } = request;
  const environment = {
    WT_CARRIER: carrier ?? '',
    WT_EXPECTED: fingerprint ?? '',
    WT_USER: user ? '1' : '',
    WT_NESTED_MAX: String(nestedMax),
    WT_TIPS_MAX: String(tipsMax),
    WT_FILE_BYTES_MAX: String(limits.fileBytesMax),
    WT_DIGEST_BYTES_MAX: String(digestBytesMax),
    WT_STATE_FILE_BYTES_MAX: String(stateFileBytesMax),
    WT_STATE_FILES_MAX: String(stateFilesMax),
    WT_PACK_BYTES_MAX: String(limits.packBytesMax),
    WT_HEX: String(baseCommit.length),
    WT_NOW: String(Math.floor(clock() / 1_000)),
    WT_WHO: 'Worktrail <session@worktrail.invalid>',
  };
  const result = await script(sandbox, environment, { baseCommit, timeoutMs: limits.timeoutMs, signal });
  if (result.end.outcome !== 'exited' || result.end.exitCode !== 0) throw new RecordingFailed(endOfScript(result));
  const claim = readClaim(result.stdout);
  const state = { fingerprint: claim.fingerprint, headCommit: claim.headCommit, headRef: claim.headRef };
  if (claim.carrier === null) {
    if (fingerprint === null) throw new RecordingFailed('the sandbox answered nothing that was asked for');
    return { changed: false, ...state };
  }
  await takeIn(store, checkpointDirectory(sandbox.directory.path).work, limits, signal);
  const [found, tree, leftOut] = await checkObjects(
    store.git,
    [claim.carrier, `${claim.carrier}:work`, `${claim.carrier}:left-out`],
    signal,
  );
  if (
    found?.type !== 'commit' ||
    tree?.type !== 'tree' ||
    leftOut?.type !== 'blob' ||
    leftOut.bytes > leftOutBytesMax
  ) {
    throw new RecordingFailed('the sandbox handed over something else than a carrier');
  }
  const records =
    leftOut.bytes === 0
      ? Buffer.alloc(0)
      : await store.git(['cat-file', 'blob', leftOut.id], { signal, stdoutBytesMax: leftOutBytesMax });
  const notKept = describeLeftOut(records, limits.fileBytesMax);
  const listed = listLeftOut(records);
  if (!user) {
    notKept.push('the repository itself, which cannot be read');
    listed.push({ kind: 'repository', count: 1, files: [] });
  }
  const kept = { carrier: found.id, tree: tree.id, withoutRepository: !user };
  return { changed: true, ...kept, notKept, leftOut: listed, ...state };
}

async function takeIn(store: SessionStore, work: string, limits: RecordingLimits, signal: AbortSignal): Promise<void> {
  const pack = await openHandedOver(join(work, 'out.pack')).catch((error: unknown) => {
    throw error instanceof NotHandedOver ? new RecordingFailed(error.message, { cause: error }) : error;
  });
  try {
    const { size } = await pack.stat();
    if (size > limits.packBytesMax) throw new RecordingFailed(`a pack of ${size} bytes is too large`);
    await requireDiskSpace([join(work, '..', '..')], limits.diskReserveBytes + 2 * size);
    await store.ingest(pack, limits.packBytesMax, signal);
  } finally {
    await pack.close();
  }
}

function readClaim(stdout: string): UserState & { carrier: string | null } {
  const value = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(stdout)?.[1] ?? '';
  const id = (name: string) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.exec(value(name))?.[0] ?? null;
  const fingerprint = id('fingerprint');
  const carrier = id('carrier');
  if (fingerprint === null || (carrier === null && !/^unchanged$/m.test(stdout))) {
    throw new RecordingFailed('the sandbox answered something else');
  }
  const headRef = /^refs\/[\x21-\x7e\x80-\uffff]{1,250}$/.exec(value('headref'))?.[0] ?? null;
  return { fingerprint, carrier, headCommit: id('head'), headRef };
}
