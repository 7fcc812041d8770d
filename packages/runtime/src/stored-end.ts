// How a command ended according to the history: the stream's last message of it, else the trace-store.

import { fromBinary } from '@bufbuild/protobuf';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { CommandResult } from '@worktrail/contract/commands';
import { eventStream, eventSubject } from '@worktrail/contract/subjects';
import { EventSchema } from '@worktrail/proto/event';
import { resultOf } from './command-outcomes.ts';
import type { ProducerRef } from './event-producer.ts';
import type { TraceClient } from './trace-client.ts';

export interface StoredEndDeps {
  jsm: JetStreamManager;
  trace: Pick<TraceClient, 'getCommand'>;
}

/** @throws when neither knows an end. */
export async function readStoredEnd(deps: StoredEndDeps, ref: ProducerRef): Promise<CommandResult> {
  const subject = eventSubject(ref, ref.producer);
  const last = await deps.jsm.streams.getMessage(eventStream(ref.partition), { last_by_subj: subject });
  const payload = last && fromBinary(EventSchema, last.data).payload;
  if (payload?.case === 'commandEnded') return resultOf(payload.value);
  const { organizationId, sessionId, partition, producer } = ref;
  const scope = { organizationId, sessionId, partition };
  const { command } = await deps.trace.getCommand({ scope, commandId: producer });
  if (command?.ended) return resultOf(command.ended);
  throw new Error(`the end of command ${producer} is neither in the stream nor in the trace-store`);
}
