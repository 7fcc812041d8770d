// What a Ctrl-C means: first the command gets INT, then it is canceled, then the CLI leaves it alone and exits.

import { WorktrailApiError, type WorktrailClient } from '@worktrail/client';
import type { Surroundings } from '../cli.ts';

export type InterruptStep = 'signal' | 'cancel' | 'detach';

/** @param count 1 for the first. A command that has not started cannot take a signal: it is canceled at once. */
export function interruptStep(count: number, isRunning: boolean): InterruptStep {
  if (count >= 3) return 'detach';
  return count === 1 && isRunning ? 'signal' : 'cancel';
}

export interface Interrupts {
  /** Aborted when the CLI is to leave the command alone. */
  readonly left: AbortSignal;
  /** From now on the command takes signals. */
  started(): void;
  interrupt(): void;
  cancel(): void;
  stop(): void;
}

export interface InterruptsDependencies {
  client: WorktrailClient;
  surroundings: Pick<Surroundings, 'onSignal'>;
  note: (text: string) => void;
}

/** Listens to INT, TERM and HUP until stopped. */
export function listenForInterrupts(
  { client, surroundings, note }: InterruptsDependencies,
  sessionId: string,
  commandId: string,
): Interrupts {
  const leave = new AbortController();
  let count = 0;
  let isRunning = false;

  const act = (request: Promise<void>) => {
    request.catch((error: unknown) => {
      if (!isTooLate(error)) note(`worktrail: ${(error as Error).message}`);
    });
  };
  const cancel = () => act(client.commands.cancel(sessionId, commandId));
  const interrupt = () => {
    const step = interruptStep(++count, isRunning);
    if (step === 'detach') return leave.abort();
    note(step === 'signal' ? 'worktrail: sent INT; again to cancel' : 'worktrail: canceling; again to leave it');
    if (step === 'cancel') cancel();
    else act(client.commands.signal(sessionId, commandId, 'INT'));
  };
  const stops = [
    surroundings.onSignal(['SIGINT'], interrupt),
    surroundings.onSignal(['SIGTERM', 'SIGHUP'], () => leave.abort()),
  ];
  return {
    left: leave.signal,
    started: () => {
      isRunning = true;
    },
    interrupt,
    cancel,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}

/** For a command that has just ended. */
function isTooLate(error: unknown): boolean {
  return error instanceof WorktrailApiError && error.code === 'command_ended';
}
