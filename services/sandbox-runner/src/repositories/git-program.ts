// git on the host: for bare repositories that only the runner writes to, and to read a local repository below one of the operator's roots
// (rev-parse, and upload-pack for clone and fetch), whoever owns it and with its own configuration. A repository's configuration can run
// code, so never in anything that a sandbox can write to; who may write below a root is trusted as the operator is.
//
// 1. Nothing of the machine's own git configuration applies, and nothing asks for a password.
// 2. No key, configuration or agent of the operator's own ssh is used: without `sshConfig` there is no ssh at all, with it there is
//    what that file names and nothing else (decision 11).
// 3. What remote-credentials.ts gives one call is used by that call alone.
// 4. A command that prints nothing for a minute is ended.

import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programEnvironment } from '../host/program-environment.ts';
import type { CallGit } from '../host/git-call.ts';

const silentMsMax = 60_000;

const configuration = `[safe]
	directory = *
[core]
	hooksPath = /dev/null
[credential]
	helper =
[gc]
	auto = 0
[maintenance]
	auto = false
[transfer]
	unpackLimit = 1
[http]
	lowSpeedLimit = 1000
	lowSpeedTime = 30
[init]
	defaultBranch = main
`;

/** Of every git of the host, above any configuration, also that of a local repository. */
export const allowedProtocols = 'file:git:https';

/**
 * Runs git with these arguments and answers what it printed; rejects with its error text where it failed and has one, or with the signal's
 * reason. `given`: beside the environment that every call has, from remote-credentials.ts.
 */
export type Git = (directory: string, args: string[], given?: Record<string, string>) => Promise<string>;

/**
 * Writes git's own configuration below `dataDirectory`. What runs ends with the signal.
 *
 * @param sshConfig path of the file that says all of how ssh is used.
 */
export async function openGit(
  dataDirectory: string,
  call: CallGit,
  signal: AbortSignal,
  sshConfig?: string,
): Promise<Git> {
  if (sshConfig !== undefined) await access(sshConfig, constants.R_OK);
  const home = join(dataDirectory, 'git');
  const configPath = join(home, 'config');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(configPath, configuration + sshSection(sshConfig), { mode: 0o600 });
  const environment = programEnvironment({
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_GLOBAL: configPath,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: sshConfig === undefined ? allowedProtocols : `${allowedProtocols}:ssh`,
  });
  return async (directory, args, given = {}) => {
    signal.throwIfAborted();
    return await call({ directory, args, env: { ...environment, ...given }, silentMsMax }, signal);
  };
}

function sshSection(sshConfig: string | undefined): string {
  if (sshConfig === undefined) return '';
  const file = `'${sshConfig.replaceAll("'", "'\\''")}'`;
  const command = `ssh -F ${file} -o BatchMode=yes -o ConnectTimeout=15 -o IdentityFile=none`;
  return `[core]\n\tsshCommand = ${JSON.stringify(command)}\n`;
}
