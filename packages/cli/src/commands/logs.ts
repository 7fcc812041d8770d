// worktrail logs <session>: the history of a session, or the output of one of its commands.
//
// 1. With --command and no --types: the bytes of that command alone, stdout to stdout and stderr to stderr.
// 2. Without -f it ends at the present end of the history; with -f it goes on, and ends with the command when one is named.

import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { eventLine } from '../events/event-line.ts';
import { createOutputWriter, outputChunk } from '../run/output-writer.ts';
import { type Screen, writeAll } from '../screen/screen.ts';

export interface LogsOptions {
  follow?: boolean;
  after?: string;
  command?: string;
  types?: string[];
}

export async function logs(cli: Cli, sessionId: string, options: LogsOptions): Promise<number> {
  const { screen, surroundings } = cli;
  const client = await (options.follow ? cli.patientClient() : cli.client());
  const leave = new AbortController();
  const stop = surroundings.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], () => leave.abort());
  const show = createShow(client, screen, sessionId, options);
  try {
    for await (const event of eventsOf(client, sessionId, options, leave.signal)) {
      if (options.command && event.commandId !== options.command) continue;
      await show(event);
      if (options.command && event.type === 'command.ended') break;
    }
    return exitCodes.ok;
  } catch (error) {
    if (leave.signal.aborted) return exitCodes.interrupted;
    throw error;
  } finally {
    stop();
  }
}

function eventsOf(client: WorktrailClient, sessionId: string, options: LogsOptions, signal: AbortSignal) {
  const { after, types } = options;
  if (options.follow) return client.events.follow(sessionId, { after, types, signal });
  return client.events.all(sessionId, { after, types, limit: 200 }, { signal });
}

type Show = (event: WorktrailEvent) => Promise<void>;

function createShow(client: WorktrailClient, screen: Screen, sessionId: string, options: LogsOptions): Show {
  if (screen.json) return (event) => screen.jsonLine(event);
  if (!options.command || options.types) return createHistoryShow(screen);
  // From the middle on, what lies before is not missing.
  if (options.after !== undefined) return createRawShow(screen);
  const writer = createOutputWriter(client, screen, sessionId, options.command);
  return async (event) => {
    if (event.type === 'command.output') await writer.write(event);
    if (event.type === 'command.ended') await writer.finish(event);
  };
}

function createRawShow(screen: Screen): Show {
  return async (event) => {
    if (event.type !== 'command.output') return;
    const { stream, bytes } = outputChunk(event);
    await writeAll(stream === 'stdout' ? screen.stdout : screen.stderr, bytes);
  };
}

/** Each event on a line of its own, output as it was written between them. */
function createHistoryShow(screen: Screen): Show {
  let atLineStart = true;
  return async (event) => {
    if (event.type === 'command.output') {
      const { bytes } = outputChunk(event);
      await writeAll(screen.stdout, bytes);
      if (bytes.length > 0) atLineStart = bytes.at(-1) === 0x0a;
      return;
    }
    await writeAll(screen.stdout, `${atLineStart ? '' : '\n'}${eventLine(event, screen.style)}\n`);
    atLineStart = true;
  };
}
