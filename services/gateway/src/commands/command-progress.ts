// What the events of one command tell, as they come: whether it runs, the tail of its output, its end.
//
// `isWhole` stays true while the events are contiguous from the first: only then is the tail the tail.

import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type CommandEnded, type CommandOutput, type Event, Stream } from '@worktrail/proto/event';
import { createOutputTail, type OutputTail } from './output-tail.ts';

export interface CommandProgress {
  /** Of the last event that was taken. */
  number: number;
  isWhole: boolean;
  startedAt: string | null;
  stdoutBytes: number;
  stderrBytes: number;
  /** Of what came without a hole before the last event. */
  tail: OutputTail;
  readonly tailBytes: number;
  end: { ended: CommandEnded; seenAt: Timestamp | undefined } | undefined;
}

export function createProgress(tailBytes: number): CommandProgress {
  return {
    number: 0,
    isWhole: true,
    startedAt: null,
    stdoutBytes: 0,
    stderrBytes: 0,
    tail: createOutputTail(tailBytes),
    tailBytes,
    end: undefined,
  };
}

export function applyEvent(progress: CommandProgress, event: Event): void {
  const number = Number(event.number);
  if (number <= progress.number) return;
  const { payload } = event;
  if (number !== progress.number + 1) {
    progress.isWhole = false;
    const position = payload.case === 'commandOutput' ? Number(payload.value.position) : 0;
    progress.tail = createOutputTail(progress.tailBytes, position);
  }
  progress.number = number;
  switch (payload.case) {
    case 'commandStarted':
      progress.startedAt = event.time ? timestampDate(event.time).toISOString() : null;
      break;
    case 'commandOutput':
      progress.tail.add(payload.value.bytes);
      if (payload.value.stream === Stream.STDERR) progress.stderrBytes = endOf(payload.value);
      else progress.stdoutBytes = endOf(payload.value);
      break;
    case 'commandEnded':
      progress.end = { ended: payload.value, seenAt: event.time };
      break;
    default:
  }
}

function endOf({ offset, bytes }: CommandOutput): number {
  return Number(offset) + bytes.byteLength;
}
