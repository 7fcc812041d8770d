// What a Ctrl-C means while a turn goes on: first it is canceled, then it is left alone.

import type { WorktrailClient } from '@worktrail/client';
import { errorLines } from '../screen/error-text.ts';

export interface TurnInterrupts {
  /** Aborted when the turn is to be left alone. */
  readonly left: AbortSignal;
  interrupt(): void;
  leave(): void;
}

export interface TurnInterruptsDependencies {
  client: Pick<WorktrailClient, 'turns'>;
  note: (text: string) => void;
}

export function createTurnInterrupts(
  { client, note }: TurnInterruptsDependencies,
  sessionId: string,
  turnId: string,
): TurnInterrupts {
  const left = new AbortController();
  let count = 0;
  return {
    left: left.signal,
    leave: () => left.abort(),
    interrupt() {
      count += 1;
      if (count > 1) return left.abort();
      note('worktrail: canceling the turn; again to leave it');
      client.turns.cancel(sessionId, turnId).catch((error: unknown) => note(errorLines(error).join('\n')));
    },
  };
}
