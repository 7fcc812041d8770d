// Where a command's input comes from, and its way there.
//
// A terminal is passed on only with -i: a command that reads would otherwise wait for keys nobody means for it. What is piped is
// passed on byte for byte; its end is the command's end of input.

import { setTimeout as delay } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { WorktrailApiError, type WorktrailClient } from '@worktrail/client';

export type StdinMode = 'empty' | 'stream';

const chunkBytesMax = 512 * 1024;
const reachAttemptsMax = 60;
const reachDelayMs = 500;

export function stdinMode(input: { isTerminal: boolean; interactive: boolean; closed: boolean }): StdinMode {
  if (input.closed) return 'empty';
  return input.isTerminal && !input.interactive ? 'empty' : 'stream';
}

/** Sends until the input or the command ends. @throws what keeps it from being delivered. */
export async function feedStdin(
  client: WorktrailClient,
  sessionId: string,
  commandId: string,
  stdin: Readable,
  signal: AbortSignal,
): Promise<void> {
  const { commands } = client;
  try {
    for await (const chunk of untilAborted(stdin, signal)) {
      for (let offset = 0; offset < chunk.length; offset += chunkBytesMax) {
        const bytes = new Uint8Array(chunk.subarray(offset, offset + chunkBytesMax));
        await onceRunning(() => commands.writeStdin(sessionId, commandId, bytes, { signal }));
      }
    }
    await onceRunning(() => commands.writeStdin(sessionId, commandId, new Uint8Array(0), { close: true, signal }));
  } catch (error) {
    if (signal.aborted || hasEnded(error)) return;
    throw error;
  }
}

/** A refusal because the command is out of reach for a moment has written nothing: each try is a request of its own. */
async function onceRunning(send: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const isAway = error instanceof WorktrailApiError && error.code === 'command_not_running';
      if (!isAway || attempt >= reachAttemptsMax) throw error;
      await delay(reachDelayMs);
    }
  }
}

/** The command did not read all of its input: as with any pipe, that is its own affair. */
function hasEnded(error: unknown): boolean {
  return error instanceof WorktrailApiError && error.code === 'command_ended';
}

async function* untilAborted(stdin: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stop = () => stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stdin) yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
