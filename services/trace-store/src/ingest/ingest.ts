// Carries one stream into ClickHouse: take a batch, store it, acknowledge, for as long as the service lives.
//
// 1. Nothing is acknowledged, and nothing counts as stored for readers, before ClickHouse has it.
// 2. ClickHouse failing: the same batch is tried again, with back-off, for ever. NATS failing: the feed is opened again where
//    ClickHouse stands.
// 3. It stores only while it has the right to, and waits for it silently.
// 4. A message that cannot be stored goes to the dead letters with its reason, and the others go on.

import type { JetStreamClient, JetStreamManager, JsMsg } from '@nats-io/jetstream';
import type { Cursor } from '@worktrail/contract/cursor';
import { streamEpochMetadata } from '@worktrail/contract/subjects';
import type { Logger } from '@worktrail/runtime/log';
import { streamEpoch } from '@worktrail/runtime/stream-created';
import type { DeadLetters } from './dead-letters.ts';
import type { FilledHole } from './event-blocks.ts';
import { type Feed, openFeed } from './feed.ts';
import type { StoringRight } from './ingest-lease.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import type { StreamMessage } from './stream-message.ts';
import { ensureStream, type StreamDefinition } from '../streams.ts';
import { streamPosition } from './stream-position.ts';

export interface StoreResult {
  rows: number;
  duplicates: number;
  holes: readonly FilledHole[];
  unstorable: readonly { message: StreamMessage; reason: string }[];
}

/** Where a stream's messages go. */
export interface Sink {
  /** The highest cursor that is stored. */
  storedPosition(): Promise<Cursor | undefined>;
  begin(epoch: number): Batch;
}

/** Messages that are stored together. */
export interface Batch {
  /** Takes them in, in order, and holds nothing of them but what is to be stored. @throws when ClickHouse does not answer. */
  add(messages: readonly StreamMessage[]): Promise<void>;
  /** Stores all of it; again, where that failed, it changes nothing. @throws when ClickHouse does not take it. */
  store(): Promise<StoreResult>;
}

export interface IngestDeps {
  js: JetStreamClient;
  jsm: JetStreamManager;
  deadLetters: DeadLetters;
  right: StoringRight;
  metrics: IngestMetrics;
  log: Logger;
  signal: AbortSignal;
}

export interface IngestOptions {
  /** Made anew where it is gone: the history goes on with a new epoch. */
  definition: StreamDefinition;
  sink: Sink;
  batchRowsMax: number;
  batchBytesMax: number;
  lingerMs: number;
}

export interface Ingest {
  readonly stream: string;
  /** Everything up to here is stored. Undefined while that is not known (NATS or ClickHouse away). */
  position(): Cursor | undefined;
  /** Resolves with the position once it is at or beyond the sequence. @throws after the time-out. */
  waitFor(sequence: number, timeoutMs: number): Promise<Cursor>;
  /** Why it does not go on; undefined while it does. */
  problem(): string | undefined;
  pending(): number;
  /** What was fetched may have holes, or may not be stored any more. */
  interrupt(reason: string): void;
  /** Resolves when the loop has ended, after `signal`. */
  readonly done: Promise<void>;
}

const consumerName = 'trace-store';
const retryDelayMsMax = 5_000;
const stuckMs = 30_000;

export function startIngest(deps: IngestDeps, options: IngestOptions): Ingest {
  const stream = options.definition.name;
  let feed: Feed | undefined;
  let position: Cursor | undefined;
  let problem: string | undefined = 'not started';
  let storingSinceMs: number | undefined;
  const waiting = new Set<{ sequence: number; resolve: (position: Cursor) => void }>();

  function advance(to: Cursor): void {
    position = to;
    storingSinceMs = undefined;
    for (const waiter of waiting) {
      if (waiter.sequence > to.sequence) continue;
      waiting.delete(waiter);
      waiter.resolve(to);
    }
  }

  deps.signal.addEventListener('abort', () => feed?.close(new Error('closing')), { once: true });

  async function run(): Promise<void> {
    for (let failures = 0; !deps.signal.aborted; ) {
      try {
        if (deps.right.fence() === undefined) problem = 'standby: another trace-store stores';
        await deps.right.taken(deps.signal);
        const attached = await attach(deps, options);
        feed = attached.feed;
        deps.signal.throwIfAborted();
        problem = undefined;
        advance(attached.position);
        for (let next = takeBatch(attached); ; ) {
          const batch = await next;
          failures = 0;
          storingSinceMs = performance.now();
          // One ahead: it is read and prepared while ClickHouse works.
          next = takeBatch(attached);
          next.catch(() => {});
          advance(await storeBatch(batch, attached));
        }
      } catch (error) {
        position = undefined;
        storingSinceMs = undefined;
        if (deps.signal.aborted) break;
        problem = (error as Error).message;
        deps.log.warn({ err: error, stream }, 'ingest was interrupted; opening it again');
        feed?.close(error as Error);
        await delay(retryDelayMs(failures++), deps.signal);
      }
    }
    feed?.close(new Error('closing'));
  }

  async function takeBatch({ feed: from, position: { epoch } }: Attached): Promise<Taken> {
    const batch = options.sink.begin(epoch);
    let messages = await from.take({ rows: options.batchRowsMax, bytes: options.batchBytesMax });
    const first = messages[0]!.seq;
    const deadlineMs = performance.now() + options.lingerMs;
    for (let [rows, bytes] = [0, 0]; ; ) {
      await batch.add(messages.map(({ subject, seq, data }) => ({ subject, sequence: seq, data })));
      const last = messages.at(-1)!;
      rows += messages.length;
      bytes += messages.reduce((sum, { data }) => sum + data.length, 0);
      const left = { rows: options.batchRowsMax - rows, bytes: options.batchBytesMax - bytes };
      const isFull = left.rows <= 0 || left.bytes <= 0;
      if (!isFull && !from.isHurried(first, last.seq)) messages = await from.take({ ...left, deadlineMs });
      else messages = [];
      if (messages.length === 0) return { batch, rows, last };
    }
  }

  async function storeBatch({ batch, rows, last }: Taken, attached: Attached): Promise<Cursor> {
    const { epoch } = attached.position;
    for (let failures = 0; ; failures++) {
      deps.signal.throwIfAborted();
      if (deps.right.fence() !== attached.fence) throw new Error('the lease to store is lost');
      try {
        const result = await deps.metrics.observeInsert(stream, () => batch.store());
        const fresh = result.unstorable.filter(({ message }) => message.sequence > attached.ackedSequence);
        for (const { message, reason } of fresh) await deps.deadLetters.publish(message, epoch, reason);
        report(result);
        problem = undefined;
        break;
      } catch (error) {
        problem = `a batch of ${rows} is not stored: ${(error as Error).message}`;
        deps.log.error({ err: error, stream, rows }, 'batch not stored; trying again');
        deps.metrics.insertFailures.inc({ stream });
        await delay(retryDelayMs(failures), deps.signal);
      }
    }
    last.ack();
    return { epoch, sequence: last.seq };
  }

  function report(result: StoreResult): void {
    const labels = { stream };
    deps.metrics.rows.inc(labels, result.rows);
    deps.metrics.batches.inc(labels);
    deps.metrics.duplicates.inc(labels, result.duplicates);
    deps.metrics.holes.inc(labels, result.holes.length);
    deps.metrics.deadLetters.inc(labels, result.unstorable.length);
    for (const hole of result.holes) {
      deps.metrics.backfilled.inc(labels, hole.backfilled);
      deps.metrics.missing.inc(labels, hole.missing);
      deps.log.error(hole, 'events were missing inside a producer');
    }
  }

  return {
    stream,
    position: () => position,
    waitFor: (sequence, timeoutMs) => {
      if (position && position.sequence >= sequence) return Promise.resolve(position);
      return new Promise((resolve, reject) => {
        const waiter = {
          sequence,
          resolve: (reached: Cursor) => {
            clearTimeout(timer);
            resolve(reached);
          },
        };
        const timer = setTimeout(() => {
          waiting.delete(waiter);
          reject(new Error(`${stream} is not stored up to ${sequence} within ${timeoutMs} ms`));
        }, timeoutMs);
        waiting.add(waiter);
        feed?.hurry(sequence);
      });
    },
    problem: () => {
      const isStuck = storingSinceMs !== undefined && performance.now() - storingSinceMs > stuckMs;
      return problem ?? (isStuck ? `ClickHouse has not answered a batch of ${stream} for ${stuckMs} ms` : undefined);
    },
    pending: () => feed?.pending() ?? 0,
    interrupt: (reason) => {
      position = undefined;
      feed?.close(new Error(reason));
    },
    done: run(),
  };
}

interface Taken {
  batch: Batch;
  rows: number;
  last: JsMsg;
}

interface Attached {
  feed: Feed;
  fence: number | undefined;
  position: Cursor;
  /** What an earlier process had dealt with, dead letters included. */
  ackedSequence: number;
}

async function attach(deps: IngestDeps, options: IngestOptions): Promise<Attached> {
  const stream = options.definition.name;
  const fence = deps.right.fence();
  const stored = await options.sink.storedPosition();
  const info = await ensureStream(deps.jsm, options.definition);
  const { epoch, storedSequence, declare } = streamPosition(streamEpoch(info), info.state.last_seq, stored);
  if (declare) {
    deps.log.warn({ stream, epoch, stored }, 'the stream is not what was stored from: a new epoch begins');
    const metadata = { ...info.config.metadata, [streamEpochMetadata]: String(epoch) };
    await deps.jsm.streams.update(stream, { ...info.config, metadata });
  }
  const consumer = await deps.jsm.consumers.info(stream, consumerName).catch(() => undefined);
  const startSequence = storedSequence + 1;
  const feedOptions = { stream, consumer: consumerName, startSequence, batchRowsMax: options.batchRowsMax };
  const feed = await openFeed(deps.js, deps.jsm, feedOptions);
  return {
    feed,
    fence,
    position: { epoch, sequence: storedSequence },
    ackedSequence: stored && declare ? 0 : (consumer?.ack_floor.stream_seq ?? 0),
  };
}

function retryDelayMs(failures: number): number {
  return Math.min(retryDelayMsMax, 100 * 2 ** failures);
}

async function delay(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, delayMs);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
