// Carries what has ended to the collector of traces for as long as the service lives.
//
// 1. How far it is is kept once the collector has taken what comes before: a restart sends again at most one request, as the same spans.
// 2. While the collector does not take them it waits, longer each time, and holds one request: the events are in ClickHouse.
// 3. It begins where a partition stands when it is first told of a collector. Only the trace-store that stores sends.

import type { KV } from '@nats-io/kv';
import { type Cursor, compareCursors } from '@worktrail/contract/cursor';
import type { Logger } from '@worktrail/runtime/log';
import { readDocument } from '@worktrail/runtime/buckets';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { StoringRight } from '../ingest/ingest-lease.ts';
import type { SendSpans } from './collector.ts';
import { type OtlpPosition, readEnds } from './read-ends.ts';
import { spanOf, type SpanOptions } from './spans.ts';

const rowsMax = 200;
const lookMs = 2_000;
const soonMs = 200;
const retryMsMax = 60_000;

export interface SpanExportDeps {
  clickhouse: Pick<ClickHouseReader, 'rows'>;
  /** By partition. */
  ingests: readonly Pick<Ingest, 'position'>[];
  right: StoringRight;
  positions: KV;
  send: SendSpans;
  options: SpanOptions;
  log: Logger;
  signal: AbortSignal;
}

export interface SpanExport {
  /** Resolves when it has ended, after the signal. */
  readonly done: Promise<void>;
}

export function startSpanExport(deps: SpanExportDeps): SpanExport {
  return { done: follow(deps) };
}

async function follow(deps: SpanExportDeps): Promise<void> {
  const { log, signal } = deps;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const waitMs = await lookOnce(deps);
      failures = 0;
      await delay(waitMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const asked = error instanceof NotTakenError ? (error.afterMs ?? 0) : 0;
      log.warn({ err: error }, 'spans are not sent; trying again');
      await delay(Math.max(asked, Math.min(retryMsMax, soonMs * 2 ** Math.min(failures, 10))), signal);
    }
  }
}

/** The collector does not take them now. */
class NotTakenError extends Error {
  readonly afterMs: number | null;
  constructor(reason: string, afterMs: number | null) {
    super(reason);
    this.afterMs = afterMs;
  }
}

/** A page of each partition, one after the other: none is far behind another. Answers how long nothing needs to be looked at. */
async function lookOnce(deps: SpanExportDeps): Promise<number> {
  let waitMs = lookMs;
  for (const partition of deps.ingests.keys()) {
    const state = await goOn(deps, partition);
    if (state === 'more') waitMs = 0;
    if (state === 'unknown') waitMs = Math.min(waitMs, soonMs);
  }
  return waitMs;
}

/** One page of what has ended, as one request. */
async function goOn(deps: SpanExportDeps, partition: number): Promise<'unknown' | 'more' | 'done'> {
  const { clickhouse, positions, right, options, log, signal } = deps;
  const stored = deps.ingests[partition]!.position();
  if (!stored || right.fence() === undefined) return 'unknown';
  const key = `partition-${partition}`;
  const position = (await readDocument<OtlpPosition>(positions, key))?.value;
  if (!position) {
    await put(positions, key, { cursor: stored, ingestedMs: Date.now() - clockMsMax });
    return 'done';
  }
  const after = inThisStore(position, stored);
  if (compareCursors(stored, after.cursor) <= 0) return 'done';
  const { ended, next, more } = await readEnds(clickhouse, partition, after, stored, rowsMax, options.content);
  const spans = ended.flatMap(({ event, beginning }) => spanOf(event, beginning, options) ?? []);
  if (spans.length > 0) {
    const sent = await deps.send(spans, signal);
    if (!sent.done) throw new NotTakenError(sent.reason, sent.afterMs);
    if (sent.rejected > 0) log.error({ reason: sent.reason, spans: sent.rejected }, 'the collector refused spans');
  }
  await put(positions, key, next);
  return more ? 'more' : 'done';
}

/** How far the clocks of two that store one after the other may be apart. */
const clockMsMax = 60_000;

/** A position that this store has not reached is of another one: what is in it was not sent from here. */
function inThisStore(position: OtlpPosition, stored: Cursor): OtlpPosition {
  return compareCursors(position.cursor, stored) > 0 ? { ...position, cursor: stored } : position;
}

async function put(positions: KV, key: string, { cursor, ingestedMs }: OtlpPosition): Promise<void> {
  await positions.put(key, JSON.stringify({ cursor, ingestedMs }));
}

async function delay(delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, delayMs);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    if (signal.aborted) done();
    else signal.addEventListener('abort', done);
  });
}
