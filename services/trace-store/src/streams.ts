// The JetStream streams that everything else publishes to. The trace-store creates and updates them; the others wait for them.

import {
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import {
  auditStream,
  auditSubjects,
  deadLetterStream,
  deadLetterSubjects,
  eventStream,
  eventStreamSubjects,
} from '@worktrail/contract/subjects';
import type { StreamLimits } from './config.ts';

const duplicateWindowMs = 120_000;
const auditBytesMax = 1024 ** 3;
const deadLetterBytesMax = 256 * 1024 ** 2;

export type StreamDefinition = Parameters<JetStreamManager['streams']['add']>[0];

export async function ensureStreams(jsm: JetStreamManager, partitions: number, limits: StreamLimits): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    await ensureStream(jsm, eventStreamDefinition(partition, limits));
  }
  await ensureStream(jsm, auditStreamDefinition(limits));
  // What could not be stored is kept for people to look at: the newest, within a bound.
  await ensureStream(jsm, {
    ...durable(limits.replicas),
    name: deadLetterStream,
    subjects: [deadLetterSubjects],
    discard: DiscardPolicy.Old,
    max_bytes: deadLetterBytesMax,
  });
}

export function auditStreamDefinition(limits: StreamLimits): StreamDefinition {
  return {
    ...durable(limits.replicas),
    name: auditStream,
    subjects: [auditSubjects],
    discard: DiscardPolicy.New,
    max_bytes: auditBytesMax,
  };
}

/** A full events stream refuses (`discard: new`); nothing that is not stored yet is ever dropped for space. */
export function eventStreamDefinition(partition: number, limits: StreamLimits): StreamDefinition {
  const subjects = eventStreamSubjects(partition);
  return {
    ...durable(limits.replicas),
    name: eventStream(partition),
    subjects: [subjects.stored],
    discard: DiscardPolicy.New,
    max_bytes: limits.eventBytesMax,
    republish: { src: subjects.stored, dest: subjects.live },
  };
}

function durable(replicas: number): Partial<StreamDefinition> {
  return {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    allow_direct: true,
    num_replicas: replicas,
    duplicate_window: nanos(duplicateWindowMs),
  };
}

/** Creates the stream, or brings the one that is there to the definition. */
export async function ensureStream(jsm: JetStreamManager, definition: StreamDefinition): Promise<StreamInfo> {
  const existing = await findStream(jsm, definition.name);
  if (!existing) return jsm.streams.add(definition);
  return jsm.streams.update(definition.name, { ...existing.config, ...definition });
}

/** Undefined where there is no such stream. */
async function findStream(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if ((error as { code?: number }).code === 10059 || /stream not found/.test(String(error))) return undefined;
    throw error;
  }
}
