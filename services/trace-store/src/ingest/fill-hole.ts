// What is put where a producer's events are missing: a command's output again from its journal, else a gap that says what is lost.
//
// 1. The numbers of the hole are all accounted for: each has its event again, or is within one gap. (A hole is either what the stream
//    lost, or a message that could not be read and is among the dead letters.)
// 2. Output between the events before and after the hole is all there again, or the gap names the positions from which it is not.
// 3. Only output, `command.queued` and `command.started` are made again: an end is the last of its producer and in no hole.

import { timestampDate } from '@bufbuild/protobuf/wkt';
import { isId } from '@worktrail/contract/ids';
import type { JournalRange } from '@worktrail/proto/runner';
import { fillEvent, gapEvent, positionBefore, runnerActor } from './fill-events.ts';
import type { JournalReader } from './journal-source.ts';
import { createOutputCutter, type OutputPiece } from './output-cutter.ts';
import { isStorableTime, type ParsedEvent } from './parse-event.ts';
import type { Hole } from './plan-batch.ts';

export type GapReason = 'stream_lost' | 'unparsable';

const queuedNumber = 1;
const startedNumber = 2;

/** `fromPosition`: of the command's output right before the hole; undefined where it is not known. */
export async function* fillHole(
  journal: JournalReader,
  hole: Hole,
  fromPosition: number | undefined,
  reason: GapReason,
): AsyncGenerator<ParsedEvent, void, void> {
  const { before } = hole;
  const to = positionBefore(before);
  if (!isId(before.event.producer, 'command') || fromPosition === undefined || to === undefined || to < fromPosition) {
    yield gapEvent(hole, hole.fromNumber, undefined, reason);
    return;
  }
  yield* fillCommand(journal, hole, { from: fromPosition, to }, reason);
}

async function* fillCommand(
  journal: JournalReader,
  hole: Hole,
  positions: { from: number; to: number },
  reason: GapReason,
): AsyncGenerator<ParsedEvent, void, void> {
  const { organizationId, sessionId, producer: commandId } = hole.before.event;
  const ask = (fromPosition: number) =>
    journal.read({ organizationId, sessionId, commandId, fromPosition, toPosition: positions.to });
  let number = hole.fromNumber;
  let range = await ask(positions.from);
  for (const beginning of range ? beginningOf(hole, number, range) : []) {
    yield beginning;
    number++;
  }
  // Without its beginning the output has no numbers of its own.
  const isBegun = number > Math.min(startedNumber, hole.toNumber);
  const cutter = createOutputCutter(isBegun ? hole.toNumber - number + 1 : 0, positions.from, positions.to);
  const made = (pieces: readonly OutputPiece[], time: Date) =>
    pieces.map((piece) => outputEvent(hole, number++, piece, time));
  let time = hole.before.time;
  for (let asked = positions.from; isBegun && range && range.output.length > 0; range = await ask(asked)) {
    time = storableTime(range, hole);
    for (const piece of range.output.map(pieceOf)) yield* made(cutter.push(piece), time);
    const next = endOf(range);
    if (next >= positions.to || next <= asked || cutter.left().events === 0) break;
    asked = next;
  }
  yield* made(cutter.finish(), time);
  if (number > hole.toNumber) return;
  yield gapEvent(hole, number, { from: cutter.left().fromPosition, to: positions.to }, reason);
}

/** `command.queued` and `command.started`, where they are missing and the runner knows them. */
function beginningOf(hole: Hole, fromNumber: number, range: JournalRange): ParsedEvent[] {
  const { queued, queuedBy, queuedAt, startedAt } = range;
  const events: ParsedEvent[] = [];
  if (fromNumber === queuedNumber) {
    if (!queued || !queuedBy || !queuedAt) return [];
    const payload = { case: 'commandQueued' as const, value: queued };
    events.push(fillEvent(hole, { number: queuedNumber, time: timestampDate(queuedAt), actor: queuedBy, payload }));
  }
  if (fromNumber <= startedNumber && hole.toNumber >= startedNumber && startedAt) {
    const payload = { case: 'commandStarted' as const, value: {} };
    events.push(
      fillEvent(hole, { number: startedNumber, time: timestampDate(startedAt), actor: runnerActor, payload }),
    );
  }
  return events.every(({ time }) => isStorableTime(time)) ? events : [];
}

function outputEvent(hole: Hole, number: number, piece: OutputPiece, time: Date): ParsedEvent {
  const value = {
    stream: piece.stream,
    offset: BigInt(piece.offset),
    position: BigInt(piece.position),
    bytes: piece.bytes as Uint8Array<ArrayBuffer>,
  };
  return fillEvent(hole, { number, time, actor: runnerActor, payload: { case: 'commandOutput', value } });
}

function pieceOf({ stream, offset, position, bytes }: JournalRange['output'][number]): OutputPiece {
  return { stream, offset: Number(offset), position: Number(position), bytes };
}

function endOf(range: JournalRange): number {
  const last = range.output.at(-1)!;
  return Number(last.position) + last.bytes.length;
}

function storableTime({ time }: JournalRange, { before }: Hole): Date {
  const given = time && timestampDate(time);
  return given && isStorableTime(given) ? given : before.time;
}
