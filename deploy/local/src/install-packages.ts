/**
 * Installs Debian packages, as root on a Debian-like machine; elsewhere it throws the command to run.
 *
 * Package lists are refreshed only when the packages are not known; a third-party list that cannot be read does not stop it.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { runProgram } from './run-program.ts';

const INSTALL_TIMEOUT_MS = 10 * 60_000;

export async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const directories = [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const directory of directories.filter(Boolean)) {
    const path = join(directory, name);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
}

/** What for: a clause such as "to run sandboxes". */
export async function installPackages(packages: string[], whatFor: string, env: NodeJS.ProcessEnv): Promise<void> {
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (!(await findProgram('apt-get', env))) {
    throw new Error(
      `${packages.join(', ')} is needed ${whatFor}, and this is no Debian or Ubuntu: install it by hand.`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`${packages.join(', ')} is needed ${whatFor}. Run as root: ${command}`);
  }
  const first = await aptGet(command, env);
  if (first.exitCode === 0) return;
  await aptGet('apt-get update', env);
  const second = await aptGet(command, env);
  if (second.exitCode === 0) return;
  const words = second.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${packages.join(', ')} could not be installed (${command}):\n${words}`);
}

function aptGet(command: string, env: NodeJS.ProcessEnv) {
  const [program = '', ...args] = command.split(' ');
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  return runProgram(program, ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: quiet,
  });
}
