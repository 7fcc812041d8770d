// worktrail backup | restore: the work of the program that starts clusters, on the cluster's own machine.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cli } from '../cli.ts';
import { CliError, exitCodes, UsageError } from '../exit-codes.ts';

const program = fileURLToPath(new URL('../../../../deploy/local/src/backup/main.ts', import.meta.url));

export async function backup(cli: Cli, file: string, { withoutKey }: { withoutKey?: boolean }): Promise<number> {
  const stateDirectory = await cli.stateDirectory();
  if (stateDirectory === null) throw new UsageError('there is no state directory here: name it by --state');
  return await run(cli, 'backup', file, [`--state=${stateDirectory}`, ...(withoutKey ? ['--without-key'] : [])]);
}

export async function restore(cli: Cli, file: string, options: { keyFile?: string }): Promise<number> {
  const { cwd } = cli.surroundings;
  if (cli.namedStateDirectory === null) throw new UsageError('name the directory to make by --state');
  const keyFile = options.keyFile === undefined ? [] : [`--key-file=${resolve(cwd, options.keyFile)}`];
  return await run(cli, 'restore', file, [`--state=${cli.namedStateDirectory}`, ...keyFile]);
}

async function run({ surroundings, screen }: Cli, what: string, file: string, options: string[]): Promise<number> {
  const isThere = await stat(program).then(
    () => true,
    () => false,
  );
  if (!isThere) throw new CliError(`${what} works in the clone that the cluster was started from`, exitCodes.failed);
  const args = [program, what, resolve(surroundings.cwd, file), ...options, ...(screen.json ? ['--json'] : [])];
  const child = spawn(process.execPath, args, { env: surroundings.env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(surroundings.stdout, { end: false });
  child.stderr.pipe(surroundings.stderr, { end: false });
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0 ? exitCodes.ok : exitCodes.failed;
}
