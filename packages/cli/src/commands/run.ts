// worktrail run <session> -- <command…>

import { fstatSync } from 'node:fs';
import { type CreateCommand, WorktrailApiError, WorktrailConnectionError } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { runExitCodes } from '../exit-codes.ts';
import { commandLine } from '../shell-quote.ts';
import { errorDocument, errorLines } from '../screen/error-text.ts';
import { followCommand } from '../run/follow-command.ts';
import { stdinMode } from '../run/stdin-source.ts';

export interface RunOptions {
  timeout?: number;
  cwd?: string;
  env?: Record<string, string>;
  background?: boolean;
  interactive?: boolean;
  /** False with -n. */
  stdin?: boolean;
}

export async function run(cli: Cli, sessionId: string, words: readonly string[], options: RunOptions): Promise<number> {
  try {
    return await runCommand(cli, sessionId, words, options);
  } catch (error) {
    if (!(error instanceof WorktrailApiError) && !(error instanceof WorktrailConnectionError)) throw error;
    const lines = cli.screen.json ? [JSON.stringify(errorDocument(error))] : errorLines(error);
    for (const line of lines) cli.screen.note(line);
    return runExitCodes.worktrailFailed;
  }
}

async function runCommand(cli: Cli, sessionId: string, words: readonly string[], options: RunOptions): Promise<number> {
  const { screen, surroundings } = cli;
  const client = await cli.client();
  const mode = options.background ? 'empty' : stdinModeOf(cli, options);
  const body: CreateCommand = {
    command: commandLine(words),
    cwd: options.cwd,
    env: options.env,
    timeoutSeconds: options.timeout,
    background: options.background,
    ...(mode === 'empty' && { stdin: '' }),
  };
  let interruptsBefore = 0;
  const stopCounting = surroundings.onSignal(['SIGINT'], () => void interruptsBefore++);
  const accepted = await accept().finally(stopCounting);

  async function accept() {
    const session = await client.sessions.get(sessionId);
    return { after: session.lastCursor, command: await client.commands.run(sessionId, body) };
  }

  if (options.background) {
    await (screen.json ? screen.document(accepted.command) : screen.line(accepted.command.id));
    return 0;
  }
  return followCommand(
    { client: await cli.patientClient(), screen, surroundings },
    {
      sessionId,
      commandId: accepted.command.id,
      after: accepted.after,
      interruptsBefore,
      feedsStdin: mode === 'stream',
    },
  );
}

function stdinModeOf(cli: Cli, options: RunOptions) {
  const isTerminal = cli.surroundings.stdin.isTTY === true;
  const closed = options.stdin === false || (!isTerminal && isNullDevice(cli.surroundings.stdin));
  return stdinMode({ isTerminal, interactive: options.interactive === true, closed });
}

/** /dev/null, or a closed descriptor: an empty input that needs no request of its own. */
function isNullDevice(stdin: unknown): boolean {
  const fd = (stdin as { fd?: unknown }).fd;
  if (typeof fd !== 'number') return false;
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    return true;
  }
}
