// A text of the work tree, read whole inside the sandbox.

import { createHash } from 'node:crypto';
import { WorktrailError } from '@worktrail/contract/errors';
import { workTreePathProblem } from '@worktrail/contract/session-files';
import type { LiveFiles } from '../files/live-files.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import { EditRefused, textBytesMax } from './edit-text.ts';

/** `blob`: as git names it. @throws EditRefused where it is no text that can be shown, WorktrailError where there is none. */
export async function readText(
  live: LiveFiles,
  sandbox: OpenSandbox,
  path: string,
  signal: AbortSignal,
): Promise<{ text: string; blob: string }> {
  requirePath(path);
  const chunks: Buffer[] = [];
  let size = 0;
  await live.read(
    sandbox,
    { path, offset: 0, length: textBytesMax, hash: null },
    (file) => {
      ({ size } = file);
    },
    async (chunk) => void chunks.push(chunk),
    signal,
  );
  if (size > textBytesMax) throw new EditRefused(`${path} is over ${textBytesMax} bytes: use a command`);
  const bytes = Buffer.concat(chunks);
  const blob = createHash(hashOf(sandbox)).update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), blob };
  } catch {
    throw new EditRefused(`${path} is no UTF-8 text`);
  }
}

/** @throws EditRefused */
export function requirePath(path: string): void {
  const problem = workTreePathProblem(path);
  if (problem !== null) throw new EditRefused(`path: ${problem}`);
}

/** What the one who asked has to hear, and can do better with; undefined: something else has failed. */
export function refusalOf(error: unknown): string | undefined {
  const isTheirs = error instanceof EditRefused || (error instanceof WorktrailError && refusals.has(error.code));
  return isTheirs ? error.message : undefined;
}

const refusals: ReadonlySet<string> = new Set(['not_found', 'conflict', 'precondition_failed', 'session_busy']);

/** How git names what is in a file of it. */
export function hashOf({ record }: OpenSandbox): 'sha1' | 'sha256' {
  return record.opened?.baseCommit.length === 64 ? 'sha256' : 'sha1';
}
