// Whether an agent goes round in circles: steps of one turn in a row that ask for the very same and are told the very same.
//
// 1. It is told so before its turn is ended for it.
// 2. A step that took a while was one of waiting, and is passed over: how long a turn may wait is its limits' to say.

import type { ModelMessage } from 'ai';
import type { Conversation, Entry } from './conversation.ts';

export const repetitionsToldAt = 10;
export const repetitionsMax = 20;
/** From a step's answer until the last of its tools has ended. */
export const waitedMsMin = 10_000;

export interface Repetition {
  verdict: 'go_on' | 'tell' | 'end';
  count: number;
}

export function judgeRepetition(conversation: Conversation, turnId: string): Repetition {
  const count = repetitions(conversation, turnId);
  const verdict = count >= repetitionsMax ? 'end' : count >= repetitionsToldAt ? 'tell' : 'go_on';
  return { verdict, count };
}

/** What a model is told last. */
export function repetitionNote(count: number): ModelMessage {
  const left = repetitionsMax - count;
  const content = `[Worktrail: your last ${count} steps asked for the same and came to the same. Do something else, or say what you have and what is missing. If you wait for something, wait in one command, for half a minute or more. After ${left} more of these your turn is ended.]`;
  return { role: 'user', content };
}

/** How many steps at the end of a turn are alike, but for those that waited. */
export function repetitions({ entries, outputs, endedMs }: Conversation, turnId: string): number {
  const steps = entries.flatMap((entry) => (entry.kind === 'step' && entry.turnId === turnId ? [entry] : []));
  const signatures = steps.map(({ message }) =>
    JSON.stringify(
      message.toolCalls.map(({ toolCallId, tool, inputJson }) => [tool, inputJson, outputs.get(toolCallId)]),
    ),
  );
  const last = signatures.at(-1);
  const other = signatures.findLastIndex((signature) => signature !== last);
  return steps.slice(other + 1).filter((step) => waitedMs(step, endedMs) < waitedMsMin).length;
}

function waitedMs({ message, atMs }: Extract<Entry, { kind: 'step' }>, endedMs: ReadonlyMap<string, number>): number {
  return Math.max(0, ...message.toolCalls.map(({ toolCallId }) => (endedMs.get(toolCallId) ?? 0) - atMs));
}
