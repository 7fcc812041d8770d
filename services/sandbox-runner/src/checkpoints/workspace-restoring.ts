// Makes a session's files again in its sandbox, from a checkpoint in the session's store (restore.sh).

import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { Upstream } from '../repositories/repository-mirror.ts';
import { checkpointDirectory } from './checkpoint-directory.ts';
import { endOfScript, type SandboxScript } from './sandbox-script.ts';
import { checkObjects, type Manifest, type SessionStore } from './session-store.ts';

export interface RestoringDeps {
  script: SandboxScript;
  timeoutMs: number;
}

const idsBytesMax = 256 * 1024 * 1024;

/** Answers HEAD's commit. */
export async function restoreWorkspace(
  deps: RestoringDeps,
  sandbox: OpenSandbox,
  store: SessionStore,
  manifest: Manifest,
  /** The session's branch, and of a repository that is made anew where the session's own could not be kept. */
  fresh: { branch: string; branchesBefore: readonly string[]; upstream: Upstream },
  signal: AbortSignal,
): Promise<{ headCommit: string | null; notKept: string[] }> {
  const sessionPath = sandbox.directory.path;
  const { given } = checkpointDirectory(sessionPath);
  const pack = join(given, 'restore.pack');
  try {
    await writePack(store, manifest, pack, signal);
    const { baseCommit, carrier } = manifest;
    const options = { baseCommit, timeoutMs: deps.timeoutMs, signal };
    const { branch, branchesBefore, upstream } = fresh;
    const environment = {
      WT_CARRIER: carrier,
      WT_FRESH: manifest.withoutRepository ? '1' : '',
      WT_SHA256: baseCommit.length === 64 ? '1' : '',
      WT_BRANCH: branch,
      WT_BRANCHES_BEFORE: branchesBefore.join('\n'),
      WT_URL: upstream.url,
      WT_DEFAULT: upstream.defaultBranch,
      WT_DEFAULT_COMMIT: upstream.defaultCommit,
    };
    const result = await deps.script(sandbox, environment, options);
    if (result.end.outcome !== 'exited' || result.end.exitCode !== 0 || !/^restored$/m.test(result.stdout)) {
      throw new Error(`the checkpoint could not be restored: ${endOfScript(result)}`);
    }
    const headCommit = /^head ([0-9a-f]{40,64})$/m.exec(result.stdout)?.[1] ?? null;
    const lost = (result.stdout.match(/^nested /gm) ?? []).length;
    return { headCommit, notKept: lost === 0 ? [] : [`${lost} nested repositories`] };
  } finally {
    await rm(pack, { force: true });
  }
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
  const wanted = [newest.id, ...needed, `^${baseCommit}`].join('\n');
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
