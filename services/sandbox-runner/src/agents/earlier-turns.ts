// What was said in a session before, for an agent that does not know it: told with its message.

import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { toldBefore } from './told-before.ts';

/** A message, or an answer. */
export interface SaidBefore {
  turnId: string;
  text: string;
}

/** Of all that is told: the newest of it. */
const toldMax = 48 * 1024;
const oneMax = 8 * 1024;

/** In turns that have begun before this one, the oldest first. */
export async function readEarlierTurns(
  trace: Pick<TraceClient, 'listEvents'>,
  input: RunAgentTurnInput,
  signal: AbortSignal,
): Promise<SaidBefore[]> {
  /** Of turns that have not begun: those before one that has will not. */
  const queued = new Map<string, string>();
  const said: SaidBefore[] = [];
  let length = 0;
  const add = (turnId: string, who: string, text: string) => {
    const one = { turnId, text: `${who}: ${text.slice(0, oneMax).toWellFormed()}` };
    said.push(one);
    length += one.text.length;
    while (length > toldMax) length -= said.shift()!.text.length;
  };
  const types = ['message.user', 'turn.started', 'message.agent'];
  for await (const { turnId, payload } of toldBefore(trace, input, types, signal)) {
    if (turnId === input.turnId) continue;
    if (payload.case === 'messageUser') queued.set(turnId, payload.value.text);
    if (payload.case === 'turnStarted') {
      add(turnId, 'User', queued.get(turnId) ?? '');
      const order = [...queued.keys()];
      for (const one of order.slice(0, order.indexOf(turnId) + 1)) queued.delete(one);
    }
    if (payload.case === 'messageAgent' && payload.value.text !== '') add(turnId, 'Agent', payload.value.text);
  }
  return said;
}

/** The message, after what was said before it since the turn that the agent knows of; null: it knows nothing. */
export function withEarlierTurns(text: string, said: readonly SaidBefore[], knownTurnId: string | null): string {
  const known = said.findLastIndex(({ turnId }) => turnId === knownTurnId);
  const told = said.slice(known + 1).map((one) => one.text);
  if (told.length === 0) return text;
  return `This was said in this session before:\n\n${told.join('\n\n')}\n\nNow the user says:\n\n${text}`;
}
