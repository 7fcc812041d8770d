// Frees the stream of what is stored, but for a tail that live readers still ask for.
//
// Only what ClickHouse has is purged, so a producer whose last message is gone goes on from its stored mark.

import type { JetStreamManager } from '@nats-io/jetstream';
import type { Logger } from '@worktrail/runtime/log';
import type { Ingest } from './ingest.ts';
import type { IngestMetrics } from './ingest-metrics.ts';

export interface Tail {
  messages: number;
  bytes: number;
}

export interface StreamExtent {
  firstSequence: number;
  lastSequence: number;
  messages: number;
  bytes: number;
}

/** A purge of less than this share of the tail is not worth it. */
const worthwhileShare = 4;

/** The first sequence to keep; undefined when purging is not worthwhile. */
export function planPurge(stream: StreamExtent, storedSequence: number, tail: Tail): number | undefined {
  if (stream.messages === 0) return undefined;
  const bytesPerMessage = Math.max(1, stream.bytes / stream.messages);
  const kept = Math.min(tail.messages, Math.floor(tail.bytes / bytesPerMessage));
  const firstKept = Math.min(stream.lastSequence - kept + 1, storedSequence + 1);
  const purged = firstKept - stream.firstSequence;
  return purged > 0 && purged >= kept / worthwhileShare ? firstKept : undefined;
}

export interface PurgeDeps {
  jsm: JetStreamManager;
  metrics: IngestMetrics;
  log: Logger;
}

/** Call now and then; asks the stream only when something was stored since the last time. */
export function createPurge(deps: PurgeDeps, ingest: Ingest, tail: Tail): () => Promise<void> {
  let lookedAt = -1;
  return async () => {
    const position = ingest.position();
    if (!position || position.sequence === lookedAt) return;
    const { state } = await deps.jsm.streams.info(ingest.stream);
    const extent = {
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
      messages: state.messages,
      bytes: state.bytes,
    };
    const firstKept = planPurge(extent, position.sequence, tail);
    lookedAt = position.sequence;
    if (firstKept === undefined) return;
    const { purged } = await deps.jsm.streams.purge(ingest.stream, { seq: firstKept });
    deps.metrics.purged.inc({ stream: ingest.stream }, purged);
    deps.log.debug({ stream: ingest.stream, purged, firstKept }, 'purged what is stored');
  };
}
