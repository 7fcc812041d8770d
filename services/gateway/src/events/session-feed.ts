// A session's events from a cursor on, without end: from the history until it is caught up, then live, and back.
//
// 1. Every event once, in order, whatever happens to the connection to NATS, to the trace-store, or to a slow reader.
// 2. Catching up: pages from the trace-store, whose barrier includes all that the stream held when it was asked. The live
//    subscription is whole before the page is asked for with which it ends, so that nothing falls between; until then a feed that is
//    behind is sent nothing that it would drop.
// 3. Live: messages of the subscription, as `live-merge` decides. A gap in the stream or in a producer's numbers, an interruption, a full buffer, or a check every 2 s that
//    shows an event that did not come: catching up again.
// 4. A reader that is slow is not buffered for: the subscription's bounded buffer runs over, and the feed reads the history at
//    the reader's pace.

import type { Cursor } from '@worktrail/contract/cursor';
import { type EventType, eventType } from '@worktrail/contract/event-types';
import { liveSubject } from '@worktrail/contract/subjects';
import type { Event } from '@worktrail/proto/event';
import type { History, HistoryScope, PositionedEvent } from './history.ts';
import { createMerge, decide, isForwarded, type LiveMerge, markForwarded, markReadUpTo } from './live-merge.ts';
import type { LiveSubscriber, LiveSubscription } from './live-subscription.ts';
import { createProducerNumbers, type ProducerNumbers } from './producer-numbers.ts';
import type { StreamPosition } from './stream-position.ts';

export interface FeedDeps {
  history: History;
  live: LiveSubscriber;
  position: StreamPosition;
}

export interface FeedBatch {
  /** May be empty: `cursor` has moved on, or nothing came for a while. */
  events: PositionedEvent[];
  /** Where to go on after this batch. */
  cursor: Cursor;
  /** Nothing more was known when it was made. */
  complete: boolean;
}

export interface FeedOptions {
  scope: HistoryScope;
  after: Cursor | undefined;
  /** Of one batch from the history. */
  limit: number;
  /** Public type names; empty: all. */
  types: readonly EventType[];
  signal: AbortSignal;
}

export const checkIntervalMs = 2_000;

interface Feed {
  deps: FeedDeps;
  options: FeedOptions;
  subscription: LiveSubscription;
  merge: LiveMerge;
  /** Undefined until the first page: from the first event. */
  cursor: Cursor | undefined;
  /** Where the history was last read up to. */
  readUpTo: Cursor | undefined;
  numbers: ProducerNumbers;
}

/** Errors of the trace-store end the feed; it can be opened again at the last batch's cursor. */
export async function* openFeed(deps: FeedDeps, options: FeedOptions): AsyncGenerator<FeedBatch, void, undefined> {
  const subscription = deps.live.subscribe(liveSubject(options.scope, '>'));
  const merge = createMerge(options.after?.sequence ?? 0);
  const { after } = options;
  const feed: Feed = {
    deps,
    options,
    subscription,
    merge,
    cursor: after,
    readUpTo: after,
    numbers: createProducerNumbers(),
  };
  try {
    await subscription.renew();
    while (!options.signal.aborted) {
      yield* catchUp(feed);
      yield* follow(feed);
    }
  } finally {
    subscription.close();
  }
}

async function* catchUp(feed: Feed): AsyncGenerator<FeedBatch, void, undefined> {
  const { deps, options, subscription } = feed;
  for (;;) {
    if (options.signal.aborted) return;
    const after = feed.cursor && placeOf(feed, feed.merge.safe);
    const page = await deps.history.page(options.scope, { after, limit: options.limit, types: options.types });
    // What a fork has inherited was numbered by other producers of the same names.
    for (const { event } of page.events) if (event.sessionId === options.scope.sessionId) feed.numbers.note(event);
    const events = page.events.filter(({ cursor }) => !wasForwarded(feed, cursor));
    // Sequences of another incarnation of the stream have nothing to do with those before.
    if (page.next.epoch !== after?.epoch) feed.merge = createMerge(page.next.sequence);
    else markReadUpTo(feed.merge, page.next.sequence);
    feed.readUpTo = page.next;
    feed.cursor = placeOf(feed, feed.merge.position);
    yield { events, cursor: feed.cursor, complete: page.complete };
    if (!page.complete) continue;
    if (subscription.isWhole()) return;
    await subscription.renew();
  }
}

/** The cursor at a sequence, behind what was read there of a hole's filling. */
function placeOf({ cursor, readUpTo }: Feed, sequence: number): Cursor {
  const epoch = readUpTo?.epoch ?? cursor?.epoch ?? 0;
  return readUpTo?.sequence === sequence ? readUpTo : { epoch, sequence };
}

/** What fills a hole comes from the history alone. */
function wasForwarded(feed: Feed, cursor: Cursor): boolean {
  if (cursor.fill) return false;
  return cursor.epoch === feed.cursor?.epoch && isForwarded(feed.merge, cursor.sequence);
}

/** Until the history has to be read again. */
async function* follow(feed: Feed): AsyncGenerator<FeedBatch, void, undefined> {
  const { subscription, options } = feed;
  let checkedMs = Date.now();
  while (!options.signal.aborted) {
    const taken = takeForwardable(feed);
    if (taken.events.length > 0) yield { events: taken.events, cursor: feed.cursor!, complete: true };
    if (taken.gap || !subscription.isWhole()) return;
    if (taken.count > 0) continue;
    const restMs = checkedMs + checkIntervalMs - Date.now();
    if (restMs > 0) {
      await subscription.more(restMs, options.signal);
      continue;
    }
    const expected = await lastSequence(feed);
    if (expected > 0 && !isForwarded(feed.merge, expected)) await subscription.more(inFlightMs, options.signal);
    const late = takeForwardable(feed);
    yield { events: late.events, cursor: feed.cursor!, complete: true };
    if (late.gap || (!late.isFull && !isForwarded(feed.merge, expected))) return;
    checkedMs = Date.now();
  }
}

const batchMax = 256;
/** What a reader that is slow holds of live output, beside the subscription's buffer. */
const batchBytesMax = 1024 * 1024;
/** How long a stored event may take to come by. */
const inFlightMs = 100;

interface Taken {
  events: PositionedEvent[];
  count: number;
  /** It holds what a batch may: there can be more. */
  isFull: boolean;
  gap: boolean;
}

function takeForwardable(feed: Feed): Taken {
  const events: PositionedEvent[] = [];
  let count = 0;
  let bytes = 0;
  const isFull = () => count >= batchMax || bytes >= batchBytesMax;
  while (!isFull()) {
    const message = feed.subscription.take();
    if (message === undefined) break;
    const decision = decide(feed.merge, message);
    const isNext = feed.numbers.follows(message.event);
    if (decision === 'gap' || (decision === 'forward' && !isNext)) return { events, count, isFull: false, gap: true };
    count += 1;
    bytes += message.bytes;
    if (decision === 'drop') continue;
    markForwarded(feed.merge, message.sequence);
    feed.cursor = { epoch: feed.cursor!.epoch, sequence: feed.merge.position };
    if (isWanted(feed.options, message.event)) events.push({ cursor: feed.cursor, event: message.event });
  }
  return { events, count, isFull: isFull(), gap: false };
}

function isWanted({ types }: FeedOptions, event: Event): boolean {
  if (event.payload.case === undefined) return false;
  return types.length === 0 || types.includes(eventType(event.payload.case));
}

/** Of the session's last event in the stream; 0 when there is none, or nothing is known because NATS does not answer. */
async function lastSequence(feed: Feed): Promise<number> {
  try {
    return (await feed.deps.position.lastEvent(feed.options.scope, '>'))?.sequence ?? 0;
  } catch {
    return 0;
  }
}
