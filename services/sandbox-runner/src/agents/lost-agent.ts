// The end of a turn whose agent was lost with its host: of it there is what the history has. Uses of tools that were begun there are ended,
// by the same producer; done again, those that are ended already stay as they are.

import { agentName } from '@worktrail/contract/agents';
import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import { createProducer, type ProducerDeps, recoverProducer } from '@worktrail/runtime/event-producer';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { toldBefore } from './told-before.ts';

export interface LostAgentDeps {
  events: ProducerDeps;
  trace: Pick<TraceClient, 'listEvents'>;
  clock: () => number;
}

export async function endToolsOfLost(
  { events, trace, clock }: LostAgentDeps,
  input: RunAgentTurnInput,
  reason: string,
  signal: AbortSignal,
): Promise<void> {
  const open = new Set<string>();
  const own = { ...input, inherited: [] };
  for await (const { turnId, payload } of toldBefore(trace, own, ['tool.started', 'tool.ended'], signal)) {
    if (turnId !== input.turnId) continue;
    if (payload.case === 'toolStarted') open.add(payload.value.toolCallId);
    if (payload.case === 'toolEnded') open.delete(payload.value.toolCallId);
  }
  if (open.size === 0) return;
  const where = { ...input, signal };
  const producer = createProducer(events, where, await recoverProducer(events, where));
  const actor = { kind: 'agent', id: agentName(input.agent) } as const;
  const outputJson = JSON.stringify({ error: reason });
  for (const toolCallId of open) {
    const payload = { case: 'toolEnded', value: { toolCallId, failed: true, outputJson } } as const;
    await producer.append({ actor, turnId: input.turnId, time: new Date(clock()), payload });
  }
}
