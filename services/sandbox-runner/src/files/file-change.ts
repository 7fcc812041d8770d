// Writing or deleting one file of an open sandbox, inside it, as its user (change-file.sh).
//
// 1. A file is as it was or as it is to be, never between, whoever dies. Attempts of one change find each other in the sandbox.
// 2. What the script says is a claim of what runs in the sandbox: it is told to who asked, and nothing here depends on it.

import { createHash } from 'node:crypto';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspacePath } from '@worktrail/contract/environment-variables';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import type { ChangeFileInput } from '@worktrail/contract/sandbox-activities';
import { workTreePathProblem } from '@worktrail/contract/session-files';
import type { ChangedFile, FileChangeOrder } from '@worktrail/contract/session-messages';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { checkpointDirectory } from '../checkpoints/checkpoint-directory.ts';
import { sandboxPaths } from '../docker/docker-container-spec.ts';
import { baseEnvironment } from '../docker/image-environment.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { runInternalCommand } from '../supervision/internal-command.ts';
import { escapedBytes } from './escaped-bytes.ts';
import { readProblem } from './file-problem.ts';

export interface FileChanges {
  /** @throws WorktrailError `precondition_failed`, `not_found` or `conflict`; anything else may be tried again. */
  change(sandbox: OpenSandbox, input: ChangeFileInput, signal: AbortSignal): Promise<ChangedFile>;
  /** The same with the content at hand; of a change that another attempt may have made. */
  changeTo(sandbox: OpenSandbox, order: GivenChange, signal: AbortSignal): Promise<ChangedFile>;
}

/** `bytes`: null: delete it. */
export type GivenChange = Omit<FileChangeOrder, 'content'> & { bytes: Uint8Array | null };

/** What a file is to be made of, and how it comes to a place on the host. */
interface Content {
  sha256: string;
  put(path: string, signal: AbortSignal): Promise<void>;
}

type Hash = 'sha1' | 'sha256';

const timeoutMs = 60_000;
/** Exit codes of the script that mean something else here than where files are read. */
const refusals: Record<number, (path: string) => WorktrailError> = {
  12: (path) => new WorktrailError('conflict', `a part of ${path} is no directory`),
  15: (path) => new WorktrailError('conflict', `${path} cannot be changed by the user of the sandbox`),
  17: (path) => new WorktrailError('precondition_failed', `${path} is not as it was expected`),
};

export function createFileChanges({ artifacts }: { artifacts: Pick<ArtifactStore, 'get'> }): FileChanges {
  const script = readFileSync(new URL('change-file.sh', import.meta.url), 'utf8');
  const lock = createKeyedLock();

  async function changeLocked(
    sandbox: OpenSandbox,
    { order, content, again }: { order: Omit<FileChangeOrder, 'content'>; content: Content | null; again: boolean },
    signal: AbortSignal,
  ) {
    const { changeId, path, executable, expected } = order;
    const problem = workTreePathProblem(path);
    if (problem !== null || !isId(changeId, 'event')) {
      throw new WorktrailError('conflict', `it cannot be changed: ${problem ?? 'malformed id'}`);
    }
    const hash = sandbox.record.opened?.baseCommit.length === 64 ? 'sha256' : 'sha1';
    const name = `change-${changeId}`;
    const given = join(checkpointDirectory(sandbox.directory.path).given, name);
    const contentId = content ? await give(content, given, hash, signal) : '';
    const { PATH } = baseEnvironment(sandbox.record.imageEnv);
    const env = {
      ...{ PATH: PATH!, WT_TREE: workspacePath, WT_HASH: hash, WT_ID: changeId },
      WT_PATH: escapedBytes(Buffer.from(path, 'utf8')),
      ...{ WT_CONTENT: content ? `${sandboxPaths.checkpoints}/given/${name}` : '', WT_CONTENT_ID: contentId },
      WT_EXECUTABLE: executable === null ? '' : executable ? 'yes' : 'no',
      ...{
        WT_EXPECTED: expected !== null && typeof expected === 'object' ? expected.blob : (expected ?? ''),
        WT_AGAIN: again ? '1' : '',
      },
    };
    const until = AbortSignal.any([signal, sandbox.lost]);
    const key = `${changeId} ${sandbox.bootId}`;
    const command = { key, argv: ['sh', '-c', script], env, timeoutMs, signal: until };
    const { end, stdout, stderr } = await runInternalCommand(sandbox.link, command);
    await rm(given, { force: true });
    const refusal = end.outcome === 'exited' ? refusals[end.exitCode ?? 0] : undefined;
    const refused = refusal?.(path) ?? readProblem(path, end, stderr);
    if (refused) throw refused;
    return readChange(stdout);
  }

  return {
    change: (sandbox, { order, again }, signal) => {
      const { content: stored } = order;
      const content = stored && {
        sha256: stored.sha256,
        put: (path: string, until: AbortSignal) => artifacts.get(stored, path, until),
      };
      return lock.run(sandbox.record.sessionId, () => changeLocked(sandbox, { order, content, again }, signal));
    },
    changeTo: (sandbox, { bytes, ...order }, signal) => {
      const content = bytes && {
        sha256: createHash('sha256').update(bytes).digest('hex'),
        put: (path: string) => writeFile(path, bytes),
      };
      return lock.run(sandbox.record.sessionId, () => changeLocked(sandbox, { order, content, again: true }, signal));
    },
  };
}

/** Answers the content's name in git. What an attempt before this one was given is left as it is: it may still be read. */
async function give(content: Content, path: string, hash: Hash, signal: AbortSignal): Promise<string> {
  const there = await readFile(path).catch(() => undefined);
  if (!there || createHash('sha256').update(there).digest('hex') !== content.sha256) {
    await rm(path, { force: true });
    await content.put(path, signal);
    await chmod(path, 0o644);
  }
  const bytes = await readFile(path);
  return createHash(hash).update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

const line =
  /^changed (added|modified|mode_changed|deleted|unchanged) ([0-9a-f]{40}|[0-9a-f]{64}|-) ([0-9a-f]{40}|[0-9a-f]{64}|-) (\d{1,9}|-) (\d{1,9}|-)$/m;

function readChange(stdout: string): ChangedFile {
  const found = line.exec(stdout);
  if (!found) throw new Error('the sandbox answered something else than what became of the file');
  const [, status, before, after, additions, deletions] = found;
  return {
    status: status as ChangedFile['status'],
    oldBlob: before === '-' ? '' : before!,
    newBlob: after === '-' ? '' : after!,
    additions: Number(additions) || 0,
    deletions: Number(deletions) || 0,
    binary: additions === '-',
  };
}
