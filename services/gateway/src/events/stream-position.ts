// Where a session's events stand in their stream: read directly from JetStream, without a consumer.

import { fromBinary } from '@bufbuild/protobuf';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Cursor } from '@worktrail/contract/cursor';
import { type EventScope, eventStream, eventSubject } from '@worktrail/contract/subjects';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { streamEpoch } from '@worktrail/runtime/stream-created';
import { callTimeoutsMs, within } from '../deadline.ts';
import type { LiveSubscriber } from './live-subscription.ts';

export interface StoredEvent {
  sequence: number;
  event: Event;
  /** Where its producer's event before it is, or was; undefined where it does not say. */
  previous: number | undefined;
}

export interface StreamPosition {
  /** The stream's last event of a session ('>') or of one of its producers; undefined when the stream holds none. */
  lastEvent(scope: EventScope, producer: string): Promise<StoredEvent | undefined>;
  /** The event at a sequence; undefined when the stream does not hold it. */
  eventAt(scope: EventScope, sequence: number): Promise<StoredEvent | undefined>;
  /** A cursor at the session's newest event. */
  lastCursor(scope: EventScope): Promise<Cursor>;
  /** Where a cursor points: into the stream, before this incarnation of it, or beyond its end, where no event ever was. */
  place(scope: EventScope, cursor: Cursor): Promise<'inside' | 'earlier' | 'beyond'>;
}

/** Where a stream stands: its incarnation, and how far it is known to reach. */
interface StreamState {
  epoch: number;
  lastSequence: number;
  interruptions: number;
}

function placeIn({ epoch, lastSequence }: StreamState, cursor: Cursor): 'inside' | 'earlier' | 'beyond' {
  if (cursor.epoch < epoch) return 'earlier';
  return cursor.epoch === epoch && cursor.sequence <= lastSequence ? 'inside' : 'beyond';
}

export function createStreamPosition(
  connection: NatsConnection,
  jsm: JetStreamManager,
  live: Pick<LiveSubscriber, 'interruptions'>,
): StreamPosition {
  const states = new Map<number, StreamState>();

  async function readState(partition: number): Promise<StreamState> {
    const interruptions = live.interruptions();
    const info = await jsm.streams.info(eventStream(partition));
    const state = { epoch: streamEpoch(info), lastSequence: info.state.last_seq, interruptions };
    states.set(partition, state);
    return state;
  }

  /** Read again after each interruption of the connection: another server may hold another stream. */
  async function knownState(partition: number): Promise<StreamState> {
    const known = states.get(partition);
    return known?.interruptions === live.interruptions() ? known : await readState(partition);
  }

  async function directGet(scope: EventScope, request: { last_by_subj: string } | { seq: number }) {
    const subject = `$JS.API.DIRECT.GET.${eventStream(scope.partition)}`;
    const reply = await connection.request(subject, JSON.stringify(request), { timeout: callTimeoutsMs.nats });
    const code = reply.headers?.code ?? 0;
    if (code === 404) return undefined;
    const sequence = Number(reply.headers?.get('Nats-Sequence'));
    if (code !== 0 || !(sequence > 0)) throw new Error(`direct get answered ${code} ${reply.headers?.description}`);
    const previous = Number(reply.headers?.get('Nats-Expected-Last-Subject-Sequence'));
    return { sequence, event: fromBinary(EventSchema, reply.data), previous: previous > 0 ? previous : undefined };
  }

  const lastEvent = (scope: EventScope, producer: string) =>
    directGet(scope, { last_by_subj: eventSubject(scope, producer) });

  return {
    lastEvent: (scope, producer) => within('nats', callTimeoutsMs.nats, () => lastEvent(scope, producer)),
    eventAt: (scope, sequence) => within('nats', callTimeoutsMs.nats, () => directGet(scope, { seq: sequence })),
    lastCursor: (scope) =>
      within('nats', callTimeoutsMs.nats, async () => {
        const [{ epoch }, last] = await Promise.all([knownState(scope.partition), lastEvent(scope, '>')]);
        if (last) return { epoch, sequence: last.sequence };
        // All that the stream held of the session is stored and purged: its end is a position after all of it.
        const state = await readState(scope.partition);
        return { epoch: state.epoch, sequence: state.lastSequence };
      }),
    place: (scope, cursor) =>
      within('nats', callTimeoutsMs.nats, async () => {
        const known = placeIn(await knownState(scope.partition), cursor);
        return known === 'beyond' ? placeIn(await readState(scope.partition), cursor) : known;
      }),
  };
}
