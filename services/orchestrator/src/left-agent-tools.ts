// Uses of tools that an agent in a sandbox had begun when its turn ended without a word from its host: those that have no end in the history
// get one, by the same producer.
//
// 1. What its host has written counts; one that is not as lost as it seemed is refused afterwards.
// 2. Done again, what is ended already stays as it is.

import { type Cursor, toCursor } from '@worktrail/contract/cursor';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { modelStepProducer } from '@worktrail/contract/turns';
import {
  createProducer,
  type ProducerDeps,
  type ProducerRef,
  recoverProducer,
  StaleProducerError,
} from '@worktrail/runtime/event-producer';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { LeftAgent } from './session/state.ts';

/** Input of the activity `endLeftAgents`. */
export interface EndLeftAgentsInput {
  ref: SandboxRef;
  agents: LeftAgent[];
  /** ISO 8601, the workflow's clock. */
  time: string;
}

export type LeftAgentDeps = ProducerDeps & { trace: Pick<TraceClient, 'listEvents'> };

const processNumber = 1;
const pageEvents = 1_000;
const pageBytes = 4 * 1024 * 1024;

export async function endToolsOf(
  deps: LeftAgentDeps,
  { ref, time }: EndLeftAgentsInput,
  left: LeftAgent,
  signal: AbortSignal,
): Promise<void> {
  const where = { ...ref, producer: modelStepProducer(left.turnId, processNumber), signal };
  for (;;) {
    signal.throwIfAborted();
    // Read before the history is: what comes between is then refused.
    const producer = createProducer(deps, where, await recoverProducer(deps, where));
    try {
      for (const toolCallId of await openTools(deps.trace, where, left.turnId)) {
        const value = { toolCallId, failed: true, outputJson: JSON.stringify({ error: left.error }) };
        const about = { actor: { kind: 'agent', id: left.agent }, turnId: left.turnId, time: new Date(time) } as const;
        await producer.append({ ...about, payload: { case: 'toolEnded', value } });
      }
      return;
    } catch (error) {
      // Its host still wrote.
      if (!(error instanceof StaleProducerError)) throw error;
    }
  }
}

async function openTools(
  trace: LeftAgentDeps['trace'],
  { organizationId, sessionId, partition, producer, signal }: ProducerRef,
  turnId: string,
): Promise<Set<string>> {
  const open = new Set<string>();
  let after: Cursor | undefined;
  for (;;) {
    const page = await trace.listEvents(
      {
        scope: { organizationId, sessionId, partition },
        ...(after && {
          after: { epoch: BigInt(after.epoch), sequence: BigInt(after.sequence), fill: BigInt(after.fill ?? 0) },
        }),
        ...{ limit: pageEvents, types: ['tool.started', 'tool.ended'], bytesMax: pageBytes },
      },
      { signal },
    );
    for (const { event } of page.events) {
      if (event?.turnId !== turnId || event.producer !== producer) continue;
      if (event.payload.case === 'toolStarted') open.add(event.payload.value.toolCallId);
      if (event.payload.case === 'toolEnded') open.delete(event.payload.value.toolCallId);
    }
    if (page.complete) return open;
    after = toCursor(Number(page.next?.epoch ?? 0n), Number(page.next?.sequence ?? 0n), Number(page.next?.fill ?? 0n));
  }
}
