// Whether an agent goes round in circles: steps that ask for the very same and are told the very same.

import type { Conversation } from './conversation.ts';

/** Who waits for something asks for it again, for a while. */
export const repetitionsMax = 10;

/** How many steps at the end of a turn are alike; at least 1 where there is one. */
export function repetitions({ entries, outputs }: Conversation, turnId: string): number {
  const steps = entries.flatMap((entry) => (entry.kind === 'step' && entry.turnId === turnId ? [entry.message] : []));
  const signatures = steps.map(({ toolCalls }) =>
    JSON.stringify(toolCalls.map(({ toolCallId, tool, inputJson }) => [tool, inputJson, outputs.get(toolCallId)])),
  );
  const last = signatures.at(-1);
  const other = signatures.findLastIndex((signature) => signature !== last);
  return signatures.length - 1 - other;
}
