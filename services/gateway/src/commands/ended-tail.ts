// The tail of a command that has ended, from the stream: its events from the last one backwards, each of which names the one before it.
//
// What is not there any more, or is not the event before, ends the walk without an answer: the trace-store has it.

import type { EventScope } from '@worktrail/contract/subjects';
import type { StoredEvent, StreamPosition } from '../events/stream-position.ts';
import { createOutputTail, type OutputTail } from './output-tail.ts';

/** Of many tiny events: the trace-store reads them at once. */
const stepsMax = 32;

export async function tailBefore(
  position: Pick<StreamPosition, 'eventAt'>,
  scope: EventScope,
  end: StoredEvent,
  bytesMax: number,
): Promise<OutputTail | undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  let later = end;
  for (let steps = 0; bytes <= bytesMax && later.event.number > 1n; steps += 1) {
    if (steps === stepsMax || later.previous === undefined) return undefined;
    const event = await position.eventAt(scope, later.previous);
    if (!event || !isBefore(event, later)) return undefined;
    later = event;
    const { payload } = event.event;
    if (payload.case === 'gap') return undefined;
    if (payload.case !== 'commandOutput') continue;
    pieces.unshift(payload.value.bytes);
    bytes += payload.value.bytes.byteLength;
  }
  const tail = createOutputTail(bytesMax);
  for (const piece of pieces) tail.add(piece);
  return tail;
}

function isBefore({ event }: StoredEvent, later: StoredEvent): boolean {
  const { sessionId, producer, number } = later.event;
  return event.sessionId === sessionId && event.producer === producer && event.number === number - 1n;
}
