// What is told of an agent: written into its log, then published, so that an attempt that dies in between is made up for by the next.

import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import { agentName } from '@worktrail/contract/agents';
import {
  createProducer,
  type EventPayloadInit,
  type ProducerDeps,
  recoverProducer,
} from '@worktrail/runtime/event-producer';
import type { AgentLog, LogEntry, ToldEvent } from './agent-log.ts';

export interface ToldEvents {
  /** What was logged and is not in the history yet. */
  publish(): Promise<void>;
  /** Written into the log with `entry`, then published. */
  tell(payloads: readonly EventPayloadInit[], entry: Omit<LogEntry, 'events'>): Promise<void>;
}

export async function openToldEvents(
  { events, clock }: { events: ProducerDeps; clock: () => number },
  input: RunAgentTurnInput,
  detached: AbortSignal,
  log: AgentLog,
): Promise<ToldEvents> {
  const where = { ...input, signal: detached };
  const stored = await recoverProducer(events, where);
  const producer = createProducer(events, where, stored);
  const actor = { kind: 'agent', id: agentName(input.agent) } as const;
  const waiting: ToldEvent[] = log.events.slice(stored.number);
  async function publish(): Promise<void> {
    for (let next = waiting[0]; next; next = waiting[0]) {
      await producer.append({ actor, turnId: input.turnId, time: new Date(next.time), payload: next.payload });
      waiting.shift();
    }
  }
  return {
    publish,
    async tell(payloads, entry) {
      const time = new Date(clock()).toISOString();
      const told = payloads.map((payload) => ({ time, payload }));
      log.add({ ...entry, ...(told.length > 0 && { events: told }) });
      waiting.push(...told);
      await publish();
    },
  };
}
