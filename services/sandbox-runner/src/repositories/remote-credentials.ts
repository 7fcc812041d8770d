// How a git of the host is given a project's credential for its remote.
//
// 1. It stands in no argument and no environment variable: git is told of a private directory (0700, files 0600) that holds it and is
//    removed after use. What a killed runner left there goes when the next one begins.
// 2. A token is answered for the scheme, host and port that it was set for, so neither a redirect nor a submodule elsewhere gets it. A
//    key is used with the project's own known hosts and nothing else of ssh: no agent, no other key, no configuration.
// 3. What git says is passed on without it.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KV } from '@nats-io/kv';
import type { CredentialDocument } from '@worktrail/contract/documents';
import { credentialKey } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import { credentialTaker, openCredential, type RemoteCredential } from '@worktrail/runtime/remote-credential';
import type { SecretBox } from '@worktrail/runtime/secret-box';
import { SessionFailure } from '../sessions/session-failure.ts';
import { allowedProtocols } from './git-program.ts';

export interface RemoteCredentials {
  /** The project's own, where it was set for the server of this address. @throws SessionFailure when it cannot be opened here. */
  find(projectId: string, url: string): Promise<RemoteCredential | undefined>;
  /** `work` runs git with this environment, on any address; without a credential it is empty. */
  use<T>(
    credential: RemoteCredential | undefined,
    work: (environment: Record<string, string>) => Promise<T>,
  ): Promise<T>;
}

/** The directory belongs to this process alone. */
export async function openRemoteCredentials(
  dataDirectory: string,
  stored: { configuration: KV; secretBox: SecretBox },
): Promise<RemoteCredentials> {
  const root = join(dataDirectory, 'git', 'credentials');
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true, mode: 0o700 });
  return {
    async find(projectId, url) {
      const taker = credentialTaker(url);
      const document =
        taker && (await readDocument<CredentialDocument>(stored.configuration, credentialKey(projectId)));
      if (document?.value.kind !== taker?.kind || !document) return undefined;
      let credential: RemoteCredential;
      try {
        credential = openCredential(stored.secretBox, projectId, document.value);
      } catch (error) {
        const detail = "the project's credential cannot be opened with the key of this runner";
        throw new SessionFailure('repository_unreachable', detail, { cause: error });
      }
      return credential.server === taker?.server ? credential : undefined;
    },
    async use(credential, work) {
      if (!credential) return work({});
      const directory = await mkdtemp(join(root, 'use-'));
      try {
        return await work(await hand(credential, directory));
      } catch (error) {
        throw withoutSecrets(error, secretsOf(credential));
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/** Writes what git needs to this directory; answers what it is to be told. */
async function hand(credential: RemoteCredential, directory: string): Promise<Record<string, string>> {
  const write = async (name: string, text: string) => {
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const include = async (configuration: string) => ({
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'include.path',
    GIT_CONFIG_VALUE_0: await write('config', configuration),
  });
  if (credential.kind === 'token') {
    const answer = await write('answer', `username=${credential.username}\npassword=${credential.token}\n`);
    return include(tokenConfiguration(credential.server, answer));
  }
  const key = await write('key', credential.privateKey);
  const knownHosts = await write('known-hosts', credential.knownHosts);
  const environment = await include(`[core]\n\tsshCommand = ${quoted(sshCommand(key, knownHosts))}\n`);
  return { ...environment, GIT_ALLOW_PROTOCOL: `${allowedProtocols}:ssh` };
}

function tokenConfiguration(server: string, answer: string): string {
  const helper = `!f() { test "$1" = get && cat ${shellWord(answer)}; }; f`;
  return `[credential ${quoted(server)}]\n\thelper = ${quoted(helper)}\n`;
}

/** The whole of how ssh is used, with paths in place of what they hold. */
export function sshCommand(key: string, knownHosts: string): string {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `UserKnownHostsFile=${sshPath(knownHosts)}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'UpdateHostKeys=no',
    'PreferredAuthentications=publickey',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'ConnectTimeout=15',
  ];
  return ['ssh', '-F none', `-o ${shellWord(`IdentityFile=${sshPath(key)}`)}`]
    .concat(options.map((option) => `-o ${shellWord(option)}`))
    .join(' ');
}

/** ssh takes % for the beginning of a token, and parts of a list at spaces. */
function sshPath(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

function shellWord(text: string): string {
  return /^[\w=./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** In git's configuration. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function secretsOf(credential: RemoteCredential): string[] {
  if (credential.kind === 'ssh_key') return [];
  const { token, username } = credential;
  return [token, encodeURIComponent(token), Buffer.from(`${username}:${token}`).toString('base64')];
}

/** A server may say again what it was told. */
function withoutSecrets(error: unknown, secrets: readonly string[]): unknown {
  if (!(error instanceof Error)) return error;
  const hide = (text: string) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
  error.message = hide(error.message);
  if (error.stack !== undefined) error.stack = hide(error.stack);
  return error;
}
