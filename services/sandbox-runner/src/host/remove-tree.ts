// Removes a directory that a sandbox's user could write to, with all that is in it, once none of its processes is left.
//
// By a program that goes from directory to directory: what lies too deep for one path would stop the runtime's own removal.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { programEnvironment } from './program-environment.ts';

const run = promisify(execFile);

/** Harmless where nothing is. No link in it is followed. */
export async function removeTree(path: string): Promise<void> {
  await run('rm', ['-rf', '--', path], { env: programEnvironment({ LC_ALL: 'C' }) });
}
