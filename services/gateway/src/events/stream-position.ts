// Where a session's events stand in their stream: read directly from JetStream, without a consumer.

import { fromBinary } from '@bufbuild/protobuf';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Cursor } from '@worktrail/contract/cursor';
import { type EventScope, eventStream, eventSubject } from '@worktrail/contract/subjects';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { callTimeoutsMs, within } from './../deadline.ts';
import type { LiveSubscriber } from './live-subscription.ts';

export interface StreamPosition {
  /** The stream's last event of a session ('>') or of one of its producers; undefined when the stream holds none. */
  lastEvent(scope: EventScope, producer: string): Promise<{ sequence: number; event: Event } | undefined>;
  /** A cursor at the session's newest event. */
  lastCursor(scope: EventScope): Promise<Cursor>;
}

export function createStreamPosition(
  connection: NatsConnection,
  jsm: JetStreamManager,
  live: Pick<LiveSubscriber, 'interruptions'>,
): StreamPosition {
  const epochs = new Map<number, { epoch: number; interruptions: number }>();

  /** Read once, and again after each interruption of the connection: another server may hold another stream. */
  async function epochOf(partition: number): Promise<number> {
    const known = epochs.get(partition);
    const interruptions = live.interruptions();
    if (known?.interruptions === interruptions) return known.epoch;
    const epoch = Date.parse((await jsm.streams.info(eventStream(partition))).created);
    epochs.set(partition, { epoch, interruptions });
    return epoch;
  }

  async function lastEvent(scope: EventScope, producer: string) {
    const request = JSON.stringify({ last_by_subj: eventSubject(scope, producer) });
    const reply = await connection.request(`$JS.API.DIRECT.GET.${eventStream(scope.partition)}`, request, {
      timeout: callTimeoutsMs.nats,
    });
    const code = reply.headers?.code ?? 0;
    if (code === 404) return undefined;
    const sequence = Number(reply.headers?.get('Nats-Sequence'));
    if (code !== 0 || !(sequence > 0)) throw new Error(`direct get answered ${code} ${reply.headers?.description}`);
    return { sequence, event: fromBinary(EventSchema, reply.data) };
  }

  return {
    lastEvent: (scope, producer) => within('nats', callTimeoutsMs.nats, () => lastEvent(scope, producer)),
    lastCursor: (scope) =>
      within('nats', callTimeoutsMs.nats, async () => {
        const [epoch, last] = await Promise.all([epochOf(scope.partition), lastEvent(scope, '>')]);
        if (last) return { epoch, sequence: last.sequence };
        // All that the stream held of the session is stored and purged: its end is a position after all of it.
        const { state } = await jsm.streams.info(eventStream(scope.partition));
        return { epoch, sequence: state.last_seq };
      }),
  };
}
