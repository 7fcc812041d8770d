// How long it takes until all works again: `/readyz` says so, and a new command in a session that was there before has been run.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command, WorktrailClient } from '@worktrail/client';

const AGAIN_AFTER_MS = 100;
const ATTEMPT_TIMEOUT_MS = 10_000;

export interface Recovery {
  /** performance.now() */
  at: number;
  /** All that were asked for; the last one has exited. */
  commandIds: string[];
}

/** The command that tells; it prints its last word. */
export const RECOVERY_COMMAND = 'echo recovered';

/**
 * Resolves at the moment. `client` must not retry by itself. A command is asked for under one key, however often the request is sent;
 * another one when it ended with its sandbox or host.
 */
export async function untilRecovered(
  client: WorktrailClient,
  sessionId: string,
  signal: AbortSignal,
): Promise<Recovery> {
  let idempotencyKey = randomUUID();
  const commandIds = new Set<string>();
  let commandId: string | null = null;
  const attempt = async () => {
    const within = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)]);
    const input = { command: RECOVERY_COMMAND, stdin: '' };
    // The answer to the first request is repeated: what became of the command is another question.
    const command: Command = commandId
      ? await client.commands.get(sessionId, commandId, { signal: within })
      : await client.commands.run(sessionId, input, { waitSeconds: 8, idempotencyKey, signal: within });
    commandId = command.id;
    commandIds.add(command.id);
    if (command.state !== 'ended' || command.outcome === 'exited') return command.state === 'ended';
    idempotencyKey = randomUUID();
    commandId = null;
    return false;
  };
  const isReady = async () => (await client.health.ready({ signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS) })).ready;
  for (const done of [attempt, isReady]) {
    while (!(await done().catch(() => false))) {
      signal.throwIfAborted();
      await delay(AGAIN_AFTER_MS);
    }
  }
  return { at: performance.now(), commandIds: [...commandIds] };
}
