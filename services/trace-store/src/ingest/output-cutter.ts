// Cuts a range of a command's output into exactly as many events as are missing.
//
// 1. Pieces keep their order, their bytes and their places; an event holds bytes of one stream, at most `limits.outputEventBytesMax`.
// 2. Exactly `events` of them come out where the range is given whole: the lost ones were one such cut, so there is one.
// 3. Never more: where the range does not fit, or is not given whole, one number is left for saying so.
// 4. What is held is at most one event.

import { limits } from '@worktrail/contract/limits';
import type { Stream } from '@worktrail/proto/event';

export interface OutputPiece {
  stream: Stream;
  /** In its stream. */
  offset: number;
  /** In the command: both streams together. */
  position: number;
  bytes: Uint8Array;
}

export interface OutputCutter {
  /** The next piece of the range. What does not follow the one before is not taken, nor anything after it. */
  push(piece: OutputPiece): OutputPiece[];
  /** No more is given. */
  finish(): OutputPiece[];
  /** What is not in the events that came out. */
  left(): { events: number; fromPosition: number };
}

export function createOutputCutter(events: number, fromPosition: number, toPosition: number): OutputCutter {
  let eventsLeft = events;
  let position = fromPosition;
  let held: OutputPiece | undefined;
  let isOver = false;

  /** The longest event that leaves a byte for each later one. */
  const lengthMax = () => Math.min(limits.outputEventBytesMax, Math.max(1, toPosition - position - (eventsLeft - 1)));
  const isLastFor = (length: number) => eventsLeft === 1 && position + length < toPosition;

  function cut(isRunOver: boolean): OutputPiece[] {
    const out: OutputPiece[] = [];
    while (held && !isOver) {
      const length = Math.min(held.bytes.length, lengthMax());
      if (length < lengthMax() && !isRunOver) break;
      if (eventsLeft === 0 || isLastFor(length)) {
        isOver = true;
        break;
      }
      out.push({ ...held, bytes: held.bytes.subarray(0, length) });
      held = length === held.bytes.length ? undefined : advanced(held, length);
      position += length;
      eventsLeft--;
    }
    return out;
  }

  return {
    push: (given) => {
      const end = position + (held?.bytes.length ?? 0);
      const piece = within(given, end, toPosition);
      if (!piece || isOver) return [];
      if (piece.position !== end) isOver = true;
      if (isOver) return [];
      const run = held;
      if (run && run.stream === piece.stream) {
        held = { ...run, bytes: Buffer.concat([run.bytes, piece.bytes]) };
        return cut(false);
      }
      const before = cut(true);
      if (isOver) return before;
      held = piece;
      return [...before, ...cut(false)];
    },
    finish: () => cut(true),
    left: () => ({ events: eventsLeft, fromPosition: position }),
  };
}

function advanced(piece: OutputPiece, count: number): OutputPiece {
  const { stream, offset, position, bytes } = piece;
  return { stream, offset: offset + count, position: position + count, bytes: bytes.subarray(count) };
}

/** What of a piece is from one position to before another; undefined when that is nothing. */
function within(piece: OutputPiece, from: number, to: number): OutputPiece | undefined {
  const front = piece.position < from ? advanced(piece, Math.min(from - piece.position, piece.bytes.length)) : piece;
  const length = Math.min(front.bytes.length, to - front.position);
  return length > 0 ? { ...front, bytes: front.bytes.subarray(0, length) } : undefined;
}
