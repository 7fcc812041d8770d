// Frees the stream of what is stored, but for a tail that live readers still ask for.
//
// 1. Only what ClickHouse has is purged, so a producer whose last message is gone goes on from its stored mark.
// 2. The stream is synced to disk with each message, ClickHouse's files are not: what was stored a moment ago stays in the stream
//    until the system has written it out, unless the stream is filling up.

import type { JetStreamManager } from '@nats-io/jetstream';
import type { Cursor } from '@worktrail/contract/cursor';
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

/** Positions by the time they were reached: what is old enough counts as written out. */
export interface Settling {
  add(position: Cursor, timeMs: number): void;
  /** The sequence that was stored at that time; 0 where that is not known. */
  at(timeMs: number): number;
}

const samplesMax = 200;

export function createSettling(): Settling {
  let samples: { position: Cursor; timeMs: number }[] = [];
  return {
    add: (position, timeMs) => {
      if (samples.at(-1)?.position.epoch !== position.epoch) samples = [];
      samples.push({ position, timeMs });
      if (samples.length > samplesMax) samples.shift();
    },
    at: (timeMs) => samples.findLast((sample) => sample.timeMs <= timeMs)?.position.sequence ?? 0,
  };
}

export interface PurgeDeps {
  jsm: JetStreamManager;
  now: () => Date;
  metrics: IngestMetrics;
  log: Logger;
}

/** A stream beyond this share of its space is purged of all that is stored, but for the tail. */
const pressingShare = 0.5;
/** The tail has at most this share of it: what is beyond half can go, whatever the stream's size. */
const tailShareMax = 1 / 8;

/** The tail that a stream of this size keeps. @param bytesMax 0 or less: without a limit. */
export function tailWithin(tail: Tail, bytesMax: number): Tail {
  return bytesMax > 0 ? { ...tail, bytes: Math.min(tail.bytes, Math.floor(bytesMax * tailShareMax)) } : tail;
}

/** Call every few seconds. */
export function createPurge(deps: PurgeDeps, ingest: Ingest, tail: Tail, settleMs: number): () => Promise<void> {
  const settling = createSettling();
  return async () => {
    const position = ingest.position();
    if (!position) return;
    const nowMs = deps.now().getTime();
    settling.add(position, nowMs);
    const { state, config } = await deps.jsm.streams.info(ingest.stream);
    const extent = {
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
      messages: state.messages,
      bytes: state.bytes,
    };
    const isPressing = config.max_bytes > 0 && state.bytes > config.max_bytes * pressingShare;
    const storedSequence = isPressing ? position.sequence : settling.at(nowMs - settleMs);
    const firstKept = planPurge(extent, storedSequence, tailWithin(tail, config.max_bytes));
    if (firstKept === undefined) return;
    const { purged } = await deps.jsm.streams.purge(ingest.stream, { seq: firstKept });
    deps.metrics.purged.inc({ stream: ingest.stream }, purged);
    deps.log.debug({ stream: ingest.stream, purged, firstKept }, 'purged what is stored');
  };
}
