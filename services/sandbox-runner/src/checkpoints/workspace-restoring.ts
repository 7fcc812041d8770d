// Makes a session's files again in its sandbox, from a checkpoint in the session's store (restore.sh): in an empty workspace, or in one
// that is to become as it was.
//
// What the sandbox says of it is for people, and bounded: nothing here depends on it.

import { open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RevertedFiles } from '@worktrail/contract/session-messages';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { checkpointDirectory, setWorkAside } from './checkpoint-directory.ts';
import { openHandedOver } from './handed-over.ts';
import { describeLeftOut, leftOutPaths } from './left-out.ts';
import { endOfScript, type SandboxScript } from './sandbox-script.ts';
import { checkObjects, type Manifest, type SessionStore } from './session-store.ts';

export interface RestoringDeps {
  script: SandboxScript;
  timeoutMs: number;
  fileBytesMax: number;
  /** Of whom commands run as. */
  sandboxUser: number;
}

/** Of the repository that is made: the session's branch, and what it has where its own could not be kept. */
export interface FreshRepository {
  branch: string;
  /** The first of them that is there becomes `branch`, where that is not there. */
  branchesBefore: readonly string[];
  url: string;
  defaultBranch: string;
  defaultCommit: string;
}

const idsBytesMax = 256 * 1024 * 1024;
const namesBytesMax = 64 * 1024 * 1024;
const leftOutBytesMax = 2 * 1024 * 1024;

/** In an empty workspace. Answers HEAD's commit. */
export async function restoreWorkspace(
  deps: RestoringDeps,
  sandbox: OpenSandbox,
  store: SessionStore,
  manifest: Manifest,
  fresh: FreshRepository,
  signal: AbortSignal,
): Promise<{ headCommit: string | null; notKept: string[] }> {
  const { given } = checkpointDirectory(sandbox.directory.path);
  const pack = join(given, 'restore.pack');
  try {
    await writePack(store, manifest, pack, signal);
    const { baseCommit } = manifest;
    const options = { baseCommit, timeoutMs: deps.timeoutMs, signal };
    const result = await deps.script(sandbox, environmentOf(deps, manifest, fresh, ''), options);
    if (!isRestored(result)) throw new Error(`the checkpoint could not be restored: ${endOfScript(result)}`);
    return { headCommit: headOf(result.stdout), notKept: lostNested(result.stdout) };
  } finally {
    await rm(pack, { force: true });
  }
}

/**
 * In a workspace that was used, of which `before` is the newest checkpoint. Done again after any part of it, it comes to the same end:
 * attempts of the same `key` find each other in the sandbox.
 */
export async function revertWorkspace(
  deps: RestoringDeps,
  sandbox: OpenSandbox,
  store: SessionStore,
  manifest: Manifest,
  before: Manifest,
  options: { fresh: FreshRepository; key: string; signal: AbortSignal },
): Promise<RevertedFiles> {
  const { fresh, key, signal } = options;
  const sessionPath = sandbox.directory.path;
  const { given, work } = checkpointDirectory(sessionPath);
  await writePack(store, manifest, join(given, 'restore.pack'), signal);
  const names = ['ls-tree', '-r', '-z', '--name-only', before.tree];
  await give(given, 'before', await store.git(names, { signal, stdoutBytesMax: namesBytesMax }));
  const leftOut = await leftOutRecords(store, before, signal);
  await give(given, 'nested', leftOutPaths(leftOut, 'nested'));
  const environment = environmentOf(deps, manifest, fresh, '1');
  const { baseCommit } = manifest;
  const run = (which: string) =>
    deps.script(sandbox, environment, {
      ...{ baseCommit, timeoutMs: deps.timeoutMs, signal },
      key: `${key} ${sandbox.bootId} ${which}`,
    });
  let result = await run('as it is');
  // What the private git directory has may be anything: without it all that is needed is in the pack.
  if (result.end.outcome === 'exited' && !isRestored(result)) {
    await setWorkAside(sessionPath, deps.sandboxUser);
    result = await run('anew');
  }
  for (const name of ['restore.pack', 'before', 'nested']) await rm(join(given, name), { force: true });
  if (!isRestored(result)) throw new Error(`the files could not be reverted: ${endOfScript(result)}`);
  const records = await readUntouched(join(work, 'untouched'));
  return {
    notTouched: [
      ...describeLeftOut(records, deps.fileBytesMax, ['large', 'unreadable', 'name', 'ignored']),
      // git does not see them: the checkpoint before has looked for them.
      ...describeLeftOut(leftOut, deps.fileBytesMax, ['special']),
    ],
    notRestored: [...manifest.notKept, ...lostNested(result.stdout)],
    removed: describeLeftOut(records, deps.fileBytesMax, ['removed']),
  };
}

function environmentOf(deps: RestoringDeps, manifest: Manifest, fresh: FreshRepository, revert: string) {
  const { baseCommit, carrier, withoutRepository } = manifest;
  return {
    WT_CARRIER: carrier,
    WT_REVERT: revert,
    WT_FILE_BYTES_MAX: String(deps.fileBytesMax),
    WT_FRESH: withoutRepository ? '1' : '',
    WT_SHA256: baseCommit.length === 64 ? '1' : '',
    WT_BRANCH: fresh.branch,
    WT_BRANCHES_BEFORE: fresh.branchesBefore.join('\n'),
    WT_URL: fresh.url,
    WT_DEFAULT: fresh.defaultBranch,
    WT_DEFAULT_COMMIT: fresh.defaultCommit,
  };
}

function isRestored({ end, stdout }: Awaited<ReturnType<SandboxScript>>): boolean {
  return end.outcome === 'exited' && end.exitCode === 0 && /^restored$/m.test(stdout);
}

function headOf(stdout: string): string | null {
  return /^head ([0-9a-f]{40,64})$/m.exec(stdout)?.[1] ?? null;
}

function lostNested(stdout: string): string[] {
  const lost = (stdout.match(/^nested /gm) ?? []).length;
  return lost === 0 ? [] : [`${lost} nested ${lost === 1 ? 'repository' : 'repositories'}`];
}

async function leftOutRecords(store: SessionStore, { carrier }: Manifest, signal: AbortSignal): Promise<Buffer> {
  const options = { signal, stdoutBytesMax: leftOutBytesMax };
  return await store.git(['cat-file', 'blob', `${carrier}:left-out`], options);
}

/** What is not there, or is no file, tells nothing. */
async function readUntouched(path: string): Promise<Buffer> {
  const file = await openHandedOver(path).catch(() => undefined);
  if (!file) return Buffer.alloc(0);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(leftOutBytesMax), 0, leftOutBytesMax, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Whole, or not at all: an attempt that was let go of may still read the one before. */
async function give(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  await writeFile(join(directory, `${name}.new`), bytes, { mode: 0o644 });
  await rename(join(directory, `${name}.new`), join(directory, name));
}

/** The carrier's tree, the commits it names, and the carrier without what it grew from; nothing of the base commit's history. */
async function writePack(store: SessionStore, manifest: Manifest, path: string, signal: AbortSignal): Promise<void> {
  const { git } = store;
  const { carrier, baseCommit } = manifest;
  const parents = (await git(['rev-list', '--parents', '-n', '1', carrier], { signal }))
    .toString()
    .trim()
    .split(' ')
    .slice(1);
  const [newest] = await checkObjects(git, [`${carrier}^{tree}`], signal);
  if (!newest) throw new Error('the carrier has no tree');
  const needed = parents.filter((parent) => parent !== manifest.carrierBefore);
  // Of a commit that leads to nothing that is wanted, git would not leave out the files.
  const wanted = [newest.id, ...needed, `^${baseCommit}`, `^${baseCommit}^{tree}`].join('\n');
  const listing = ['rev-list', '--objects', '--no-object-names', '--stdin'];
  const ids = await git(listing, { signal, stdin: `${wanted}\n`, stdoutBytesMax: idsBytesMax });
  const stdin = `${ids.toString('latin1')}${carrier}\n`;
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, 'wx', 0o644);
  try {
    await git(['pack-objects', '-q', '--stdout', '--delta-base-offset'], { signal, stdin, stdout: file });
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
