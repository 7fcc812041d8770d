// What every command of the CLI is given: the screen, the connection (found when first asked for), a client.

import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { createClient, type WorktrailClient } from '@worktrail/client';
import { type Connection, type ConnectionSources, findConnection, findStateDirectory } from './connection.ts';
import type { RunPager } from './screen/pager.ts';
import { visible } from './screen/visible-text.ts';
import { createScreen, type Screen, type TerminalStream } from './screen/screen.ts';

/** The process, as far as the CLI uses it. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  cwd: string;
  stdin: Readable & { isTTY?: boolean };
  stdout: TerminalStream;
  stderr: TerminalStream;
  /** Calls back on each of the signals; returns how to stop that. */
  onSignal(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void;
  nowMs(): number;
  runPager: RunPager;
}

/** Options that every command takes. */
export interface GlobalOptions {
  json?: boolean;
  apiUrl?: string;
  state?: string;
}

export interface Cli {
  readonly surroundings: Surroundings;
  readonly screen: Screen;
  connection(): Promise<Connection>;
  /** The state directory, whether or not its cluster runs. */
  stateDirectory(): Promise<string | null>;
  /** The state directory that was named, whether or not there is one. */
  readonly namedStateDirectory: string | null;
  client(): Promise<WorktrailClient>;
  /** Tries for minutes, not seconds: for what must not be given up half-way. */
  patientClient(): Promise<WorktrailClient>;
}

export const version = '0.1.0';
export const userAgent = `worktrail-cli/${version}`;
const patientAttemptsMax = 60;

export function createCli(surroundings: Surroundings, options: GlobalOptions): Cli {
  const { env, cwd } = surroundings;
  const sources: ConnectionSources = { env, cwd, apiUrlOption: options.apiUrl, stateOption: options.state };
  const named = options.state ?? (env['WORKTRAIL_HOME'] || undefined);
  let found: Promise<Connection> | undefined;
  const connection = () => (found ??= findConnection(sources));
  const screen = createScreen(surroundings.stdout, surroundings.stderr, env, options.json === true);
  const onStillRunning = (detail: string) => screen.note(`worktrail: ${visible(detail)}; waiting on`);
  const clientWith = async (attemptsMax: number | undefined) => {
    const { apiUrl, apiKey } = await connection();
    return createClient({ apiUrl, apiKey, userAgent, attemptsMax, onStillRunning });
  };
  return {
    surroundings,
    screen,
    connection,
    stateDirectory: () => findStateDirectory(sources),
    namedStateDirectory: named === undefined ? null : resolve(cwd, named),
    client: () => clientWith(3),
    patientClient: () => clientWith(patientAttemptsMax),
  };
}
