// What was said in a session before, for an agent that does not know it: told with its first message.

import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { toldBefore } from './told-before.ts';

export interface EarlierTurn {
  turnId: string;
  message: string;
  answers: string[];
}

const turnsMax = 200;
const answersMax = 50;
/** Of what is told: the newest of it. */
const toldMax = 48 * 1024;
const oneMax = 8 * 1024;

/** Those that have begun before this one, the oldest first. */
export async function readEarlierTurns(
  trace: Pick<TraceClient, 'listEvents'>,
  input: RunAgentTurnInput,
  signal: AbortSignal,
): Promise<EarlierTurn[]> {
  const messages = new Map<string, string>();
  const turns = new Map<string, EarlierTurn>();
  const types = ['message.user', 'turn.started', 'message.agent'];
  for await (const { turnId: id, payload } of toldBefore(trace, input, types, signal)) {
    if (id === input.turnId) continue;
    if (payload.case === 'messageUser') messages.set(id, payload.value.text);
    if (payload.case === 'turnStarted') turns.set(id, { turnId: id, message: messages.get(id) ?? '', answers: [] });
    if (payload.case === 'messageAgent' && payload.value.text !== '') {
      const turn = turns.get(id);
      if (turn) turn.answers = [...turn.answers, payload.value.text].slice(-answersMax);
    }
    if (turns.size > turnsMax) turns.delete(turns.keys().next().value!);
  }
  return [...turns.values()];
}

/** The message, after what was said before it since the turn that the agent knows of; null: it knows nothing. */
export function withEarlierTurns(text: string, turns: readonly EarlierTurn[], knownTurnId: string | null): string {
  const known = turns.findIndex(({ turnId }) => turnId === knownTurnId);
  const told: string[] = [];
  let length = 0;
  for (const { message, answers } of turns.slice(known + 1).toReversed()) {
    const one = [`User: ${message.slice(0, oneMax)}`, ...answers.map((answer) => `Agent: ${answer.slice(0, oneMax)}`)];
    length += one.reduce((sum, part) => sum + part.length, 0);
    if (length > toldMax) break;
    told.unshift(one.join('\n\n'));
  }
  if (told.length === 0) return text;
  return `This was said in this session before:\n\n${told.join('\n\n')}\n\nNow the user says:\n\n${text}`;
}
