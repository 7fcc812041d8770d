// worktrail logs <session>: the history of a session, or the output of one of its commands.
//
// 1. With --command and no --types: the bytes of that command alone, stdout to stdout and stderr to stderr. What is stored is read as
//    it is stored, so that a long history before it does not count.
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
  const { command: commandId, types, after } = options;
  const wantsBytes = commandId !== undefined && types === undefined && after === undefined && !screen.json;
  try {
    if (wantsBytes) await showOutput(client, screen, { sessionId, commandId, follow: options.follow }, leave.signal);
    else await showEvents(client, screen, sessionId, options, leave.signal);
    return exitCodes.ok;
  } catch (error) {
    if (leave.signal.aborted) return exitCodes.interrupted;
    throw error;
  } finally {
    stop();
  }
}

interface OutputOf {
  sessionId: string;
  commandId: string;
  follow: boolean | undefined;
}

async function showOutput(
  client: WorktrailClient,
  screen: Screen,
  { sessionId, commandId, follow }: OutputOf,
  signal: AbortSignal,
): Promise<void> {
  // Read before the output is: whatever comes after it is in the events that follow.
  const { lastCursor: after } = await client.sessions.get(sessionId, { signal });
  const command = await client.commands.get(sessionId, commandId, { signal });
  const writer = createOutputWriter(client, screen, sessionId, commandId);
  await writer.writeStored();
  if (!follow || command.state === 'ended') return;
  const types = ['command.output', 'command.ended'];
  for await (const event of client.events.follow(sessionId, { after, types, signal })) {
    if (event.commandId !== commandId) continue;
    if (event.type === 'command.ended') return writer.finish(event);
    await writer.write(event);
  }
}

async function showEvents(
  client: WorktrailClient,
  screen: Screen,
  sessionId: string,
  options: LogsOptions,
  signal: AbortSignal,
): Promise<void> {
  const show = createShow(screen, options);
  for await (const event of eventsOf(client, sessionId, options, signal)) {
    if (options.command && event.commandId !== options.command) continue;
    await show(event);
    if (options.command && event.type === 'command.ended') return;
  }
}

function eventsOf(client: WorktrailClient, sessionId: string, options: LogsOptions, signal: AbortSignal) {
  const { after, types } = options;
  if (options.follow) return client.events.follow(sessionId, { after, types, signal });
  return client.events.all(sessionId, { after, types, limit: 200 }, { signal });
}

type Show = (event: WorktrailEvent) => Promise<void>;

function createShow(screen: Screen, options: LogsOptions): Show {
  if (screen.json) return (event) => screen.jsonLine(event);
  return options.command && !options.types ? createRawShow(screen) : createHistoryShow(screen);
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
