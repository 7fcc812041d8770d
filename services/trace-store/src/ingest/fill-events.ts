// The events that stand where a producer's events are missing, and where they stand.
//
// 1. A fill is right before the event that shows the hole: behind every cursor that was given out before that event was stored, and
//    before the event itself. Its place is (epoch, sequence of that event - 1, its own number), which nothing else can have.
// 2. What is made again has the number of what was lost; a gap has the last number that it stands for, and names the first: the highest
//    stored number of a producer says what is accounted for.

import { createHash } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type EventCase, type EventPayload, eventType } from '@worktrail/contract/event-types';
import { idFrom } from '@worktrail/contract/ids';
import { type Actor, ActorKind, EventSchema } from '@worktrail/proto/event';
import type { MessageEvent, ParsedEvent } from './parse-event.ts';
import type { Hole } from './plan-batch.ts';

type PayloadInit = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;

interface FillInit {
  number: number;
  time: Date;
  actor: Actor | { kind: ActorKind; id: string };
  payload: PayloadInit;
}

export const runnerActor = { kind: ActorKind.SYSTEM, id: 'sandbox-runner' } as const;
const ownActor = { kind: ActorKind.SYSTEM, id: 'trace-store' } as const;

export function fillEvent({ before }: Hole, { number, time, actor, payload }: FillInit): MessageEvent {
  const { organizationId, projectId, sessionId, producer, commandId, generation } = before.event;
  const event = create(EventSchema, {
    id: fillId(sessionId, producer, number, time),
    organizationId,
    projectId,
    sessionId,
    producer,
    number: BigInt(number),
    time: timestampFromDate(time),
    actor: { kind: actor.kind, id: actor.id },
    commandId,
    generation,
    payload,
  });
  const data = toBinary(EventSchema, event);
  return {
    producerKey: before.producerKey,
    sessionKey: before.sessionKey,
    sequence: before.sequence - 1,
    fill: number,
    event,
    payload: event.payload as EventPayload,
    type: eventType(event.payload.case as EventCase),
    number,
    time,
    size: data.length,
    data,
  };
}

/** What is missing from `fromNumber` to the end of the hole; positions where it is a command's output. */
export function gapEvent(
  hole: Hole,
  fromNumber: number,
  positions: { from: number; to: number } | undefined,
  reason: string,
): ParsedEvent {
  const value = {
    producer: hole.before.event.producer,
    fromNumber: BigInt(fromNumber),
    toNumber: BigInt(hole.toNumber),
    fromPosition: BigInt(positions?.from ?? 0),
    toPosition: BigInt(positions?.to ?? 0),
    reason,
  };
  const { time } = hole.before;
  return fillEvent(hole, { number: hole.toNumber, time, actor: ownActor, payload: { case: 'gap', value } });
}

function fillId(sessionId: string, producer: string, number: number, time: Date): string {
  const digest = createHash('sha256').update(`${sessionId}/${producer}/${number}`).digest();
  return idFrom('event', time.getTime(), digest);
}

/** Where a command's output stands right before this event; undefined where the event does not tell. */
export function positionBefore({ payload }: ParsedEvent): number | undefined {
  switch (payload.case) {
    case 'commandQueued':
    case 'commandStarted':
      return 0;
    case 'commandOutput':
      return Number(payload.value.position);
    case 'gap':
      return Number(payload.value.fromPosition);
    case 'commandEnded':
      return Number(payload.value.stdoutBytes + payload.value.stderrBytes);
    default:
      return undefined;
  }
}

/** Where a command's output stands right after this event. */
export function positionAfter(parsed: ParsedEvent): number | undefined {
  const { payload } = parsed;
  if (payload.case === 'commandOutput') return Number(payload.value.position) + payload.value.bytes.length;
  if (payload.case === 'gap') return Number(payload.value.toPosition);
  return positionBefore(parsed);
}
