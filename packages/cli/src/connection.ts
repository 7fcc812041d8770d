// Where the cluster is and with which key: from the command line, the environment, or a state directory's connection.json.
//
// 1. The state directory is --state, else WORKTRAIL_HOME, else the nearest `.worktrail` from the current directory upward.
// 2. The key of a connection.json goes to the address that stands beside it and to no other.

import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CliError, exitCodes, UsageError } from './exit-codes.ts';

export interface ConnectionFile {
  apiUrl: string;
  apiKey: string;
  pids: Record<string, number>;
  addresses: Record<string, string>;
  organizationId: string | null;
  projectId: string | null;
  configPath: string | null;
}

export interface Connection {
  apiUrl: string;
  apiKey: string | undefined;
  /** Where the address and the key come from, for people. */
  apiUrlFrom: string;
  apiKeyFrom: string | null;
  stateDirectory: string | null;
  file: ConnectionFile | null;
}

export interface ConnectionSources {
  apiUrlOption: string | undefined;
  stateOption: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/** Where a state directory can be, nearest first. */
export function candidateStateDirectories({ stateOption, env, cwd }: ConnectionSources): string[] {
  const named = stateOption ?? (env['WORKTRAIL_HOME'] || undefined);
  if (named !== undefined) return [resolve(cwd, named)];
  const candidates: string[] = [];
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    candidates.push(join(directory, '.worktrail'));
    if (directory === dirname(directory)) return candidates;
  }
}

export async function findStateDirectory(sources: ConnectionSources): Promise<string | null> {
  for (const candidate of candidateStateDirectories(sources)) {
    const isDirectory = await stat(candidate).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isDirectory) return candidate;
  }
  return null;
}

/** @throws UsageError or CliError saying what is missing and how to give it. */
export async function findConnection(sources: ConnectionSources): Promise<Connection> {
  const stateDirectory = await findStateDirectory(sources);
  const file = stateDirectory === null ? null : await readConnectionFile(join(stateDirectory, 'connection.json'));
  return resolveConnection(sources, stateDirectory, file);
}

/** Pure: what the sources amount to. */
export function resolveConnection(
  sources: ConnectionSources,
  stateDirectory: string | null,
  file: ConnectionFile | null,
): Connection {
  const { env } = sources;
  const fromEnvironment = env['WORKTRAIL_API_URL'] || undefined;
  const apiUrl = sources.apiUrlOption ?? fromEnvironment ?? file?.apiUrl;
  if (apiUrl === undefined) throw noCluster(stateDirectory);
  const apiUrlFrom = sources.apiUrlOption ? '--api-url' : fromEnvironment ? 'WORKTRAIL_API_URL' : 'connection.json';
  const origin = originOf(apiUrl, apiUrlFrom);
  const isOfFile = file !== null && originOf(file.apiUrl, 'connection.json') === origin;
  const ownKey = env['WORKTRAIL_API_KEY'] || undefined;
  const apiKey = ownKey ?? (isOfFile ? file.apiKey : undefined);
  const apiKeyFrom = ownKey ? 'WORKTRAIL_API_KEY' : apiKey ? 'connection.json' : null;
  return { apiUrl, apiKey, apiUrlFrom, apiKeyFrom, stateDirectory, file: isOfFile ? file : null };
}

function originOf(apiUrl: string, from: string): string {
  const url = URL.canParse(apiUrl) ? new URL(apiUrl) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.origin;
  throw new UsageError(`${from} is no http address: "${apiUrl}". It looks like http://127.0.0.1:7700`);
}

function noCluster(stateDirectory: string | null): CliError {
  const [message, hint] =
    stateDirectory === null
      ? ['no Worktrail cluster was found from this directory upward', 'Start one with: npm start (in the clone)']
      : [`the cluster of ${stateDirectory} is not running`, 'Start it with: npm start'];
  const elsewhere = ', or name one with WORKTRAIL_HOME, or with WORKTRAIL_API_URL and WORKTRAIL_API_KEY.';
  return new CliError(message, exitCodes.unavailable, hint + elsewhere);
}

/** Null when there is none: the cluster is stopped. */
async function readConnectionFile(path: string): Promise<ConnectionFile | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new CliError(`${path} cannot be read: ${(cause as Error).message}`, exitCodes.auth);
  }
  return parseConnectionFile(text, path);
}

export function parseConnectionFile(text: string, path: string): ConnectionFile {
  let value: Partial<ConnectionFile> | null = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Falls through to the message below.
  }
  if (typeof value?.apiUrl !== 'string' || typeof value.apiKey !== 'string') {
    throw new CliError(`${path} is not a connection file: apiUrl or apiKey is missing`, exitCodes.failed);
  }
  return {
    apiUrl: value.apiUrl,
    apiKey: value.apiKey,
    pids: value.pids ?? {},
    addresses: value.addresses ?? {},
    organizationId: value.organizationId ?? null,
    projectId: value.projectId ?? null,
    configPath: value.configPath ?? null,
  };
}
