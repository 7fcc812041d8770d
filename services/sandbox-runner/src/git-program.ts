// git on the host, for bare repositories that only the runner writes to. Never for a work tree: a work tree's configuration runs code.
//
// Nothing of the machine's own git configuration applies, nothing asks for a password, and a command that prints nothing for a
// minute is ended.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { simpleGit } from 'simple-git';

const silentMsMax = 60_000;
const passedOn = ['PATH', 'SSH_AUTH_SOCK', 'SSL_CERT_FILE', 'http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'];

const configuration = `[safe]
	directory = *
[protocol "ext"]
	allow = never
[protocol "fd"]
	allow = never
[core]
	hooksPath = /dev/null
	sshCommand = ssh -o BatchMode=yes -o ConnectTimeout=15 -o StrictHostKeyChecking=accept-new
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

/** Runs git with these arguments and answers what it printed; rejects with its error text, or with the signal's reason. */
export type Git = (directory: string, args: string[]) => Promise<string>;

/** Writes git's own configuration below `dataDirectory`. What runs ends with the signal. */
export async function openGit(dataDirectory: string, signal: AbortSignal): Promise<Git> {
  const home = join(dataDirectory, 'git');
  const configPath = join(home, 'config');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(configPath, configuration, { mode: 0o600 });
  const environment: Record<string, string> = {
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_GLOBAL: configPath,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  };
  for (const name of passedOn) if (process.env[name] !== undefined) environment[name] = process.env[name];
  return async (directory, args) => {
    const git = simpleGit({
      baseDir: directory,
      timeout: { block: silentMsMax },
      // The configuration file is ours.
      unsafe: { allowUnsafeConfigPaths: true },
      allowEnvironment: Object.keys(environment),
      abort: signal,
    });
    try {
      return await git.env(environment).raw(args);
    } catch (error) {
      // Not git's own failure.
      signal.throwIfAborted();
      throw error;
    }
  };
}
