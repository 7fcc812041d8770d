// Brings upstream's newest commit into a session's branch, inside its sandbox (update.sh). What comes out of it is the sandbox's word.

import type { UpdateInput } from '@worktrail/contract/sandbox-activities';
import type { UpdatedFiles } from '@worktrail/contract/session-messages';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { RepositoryMirrors } from '../repositories/repository-mirror.ts';
import { endOfScript, readSandboxScript } from './sandbox-script.ts';
import { shownPath } from './shown-path.ts';

const timeoutMs = 300_000;
const refusedCode = 3;
const conflictsMax = 300;

/** Git would not begin; nothing was changed. */
export class UpdateRefused extends Error {
  override readonly name = 'UpdateRefused';
}

export interface WorkspaceUpdating {
  /** @throws UpdateRefused, SessionFailure */
  update(sandbox: OpenSandbox, input: UpdateInput, signal: AbortSignal): Promise<UpdatedFiles>;
}

export function createWorkspaceUpdating(mirrors: Pick<RepositoryMirrors, 'sync'>): WorkspaceUpdating {
  const script = readSandboxScript('update.sh');
  return {
    async update(sandbox, input, signal) {
      // The sandbox borrows the mirror's objects: what is fetched is there at once.
      const { defaultCommit, defaultBranch } = await mirrors.sync({ ...input, baseRef: null });
      signal.throwIfAborted();
      const environment = { WT_MAIN: defaultCommit, WT_DEFAULT: defaultBranch, WT_METHOD: input.method };
      const result = await script(sandbox, environment, { baseCommit: defaultCommit, timeoutMs, signal });
      const { end, stdout, stderr } = result;
      if (end.outcome === 'exited' && end.exitCode === refusedCode) {
        throw new UpdateRefused(stderr.trim().split('\n').slice(-3).join('; ').slice(-500));
      }
      if (end.outcome !== 'exited' || end.exitCode !== 0) {
        throw new Error(`upstream could not be brought in: ${endOfScript(result)}`);
      }
      return { ...readUpdated(stdout), commit: defaultCommit };
    },
  };
}

/** Of what update.sh prints. @throws Error */
export function readUpdated(stdout: string): Omit<UpdatedFiles, 'commit'> {
  const outcome = /^outcome (up_to_date|updated|conflicts)$/m.exec(stdout)?.[1] as UpdatedFiles['outcome'] | undefined;
  if (!outcome) throw new Error('the sandbox did not say what became of it');
  const headCommit = /^head ([0-9a-f]{40,64})$/m.exec(stdout)?.[1] ?? null;
  const paths = [...stdout.matchAll(/^conflict (.+)$/gm)].map((found) => unquoted(found[1]!));
  return { outcome, headCommit, conflicts: [...new Set(paths)].slice(0, conflictsMax) };
}

/** A path as git quotes it: C's escapes, and bytes as octal numbers. */
function unquoted(path: string): string {
  const quoted = /^"(.*)"$/.exec(path)?.[1];
  if (quoted === undefined) return shownPath(Buffer.from(path));
  const bytes: number[] = [];
  for (const [whole, escape] of quoted.matchAll(/\\([0-7]{3}|.)|[^\\]/gsu)) {
    if (escape === undefined) bytes.push(...Buffer.from(whole));
    else if (escape.length === 3) bytes.push(Number.parseInt(escape, 8) & 0xff);
    else bytes.push(escapes[escape] ?? escape.charCodeAt(0));
  }
  return shownPath(Buffer.from(bytes));
}

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };
