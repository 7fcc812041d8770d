// What a live command has printed, once more: a range of its journal, as its publication shows it.
//
// 1. Secrets are masked as in publication: the mask sees the journal from its beginning.
// 2. Ranges that follow each other cost one reading of the journal: where it was read to is kept for a while, for a few commands.
// 3. An answer holds at most `answerBytesMax`, what it costs to say which bytes they are included. Nothing is answered of what the
//    journal does not hold, or not any more.

import { join } from 'node:path';
import { readRequestedSecrets } from './command-environment.ts';
import { JournalCorrupt, type JournalFrame } from '../supervision/journal-format.ts';
import { type JournalReader, openIfThere } from '../supervision/journal-reader.ts';
import { createKeyedLock } from '../host/keyed-lock.ts';
import type { LiveCommand } from './live-commands.ts';
import { createSecretMask, cutFront, type OutputPiece, type SecretMask } from './secret-mask.ts';
import type { SessionDirectories } from '../sessions/session-directory.ts';

export interface RangeOfJournal {
  /** Without a hole between them; the first begins at the position that was asked for. */
  pieces: OutputPiece[];
  startedNs: bigint | undefined;
  /** When the last of what was read was written. */
  timeNs: bigint | undefined;
}

export interface JournalRanges {
  /** Undefined where the command has no journal. */
  read(live: LiveCommand, range: { from: number; to: number; bytesMax: number }): Promise<RangeOfJournal | undefined>;
  close(): Promise<void>;
}

const answerBytesMax = 512 * 1024;
const pieceCostBytes = 32;
const keptMax = 4;
const keptMs = 10_000;

interface Reading {
  journal: JournalReader;
  mask: SecretMask;
  /** Of the last question: what is below is not held any more. */
  from: number;
  /** Read and masked. */
  pieces: OutputPiece[];
  startedNs: bigint | undefined;
  timeNs: bigint | undefined;
  isOver: boolean;
  timer: NodeJS.Timeout | undefined;
}

export function createJournalRanges(directories: SessionDirectories): JournalRanges {
  const readings = new Map<string, Reading>();
  const lock = createKeyedLock();
  /** One at a time: no journal is closed under a reading. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => lock.run('journals', work);

  function forget(commandId: string): void {
    const reading = readings.get(commandId);
    readings.delete(commandId);
    clearTimeout(reading?.timer);
    reading?.journal.close();
  }

  function keep(commandId: string, reading: Reading): void {
    clearTimeout(reading.timer);
    reading.timer = setTimeout(() => void alone(async () => forget(commandId)), keptMs).unref();
    readings.delete(commandId);
    readings.set(commandId, reading);
  }

  async function open({ input }: LiveCommand, from: number): Promise<Reading | undefined> {
    const directory = directories.at(input.sessionId);
    const journal = openIfThere(join(directory.runPath, 'journals', input.command.id));
    if (!journal) return undefined;
    try {
      const mask = createSecretMask(await readRequestedSecrets(input, () => directory.readRequest(input.command.id)));
      return {
        journal,
        mask,
        from,
        pieces: [],
        startedNs: undefined,
        timeNs: undefined,
        isOver: false,
        timer: undefined,
      };
    } catch (error) {
      journal.close();
      throw error;
    }
  }

  async function readingFor(live: LiveCommand, from: number): Promise<Reading | undefined> {
    const { id } = live.input.command;
    const known = readings.get(id);
    if (known && known.from <= from) return known;
    forget(id);
    while (readings.size >= keptMax) forget(readings.keys().next().value!);
    return open(live, from);
  }

  return {
    read: (live, { from, to, bytesMax }) =>
      alone(async () => {
        const reading = await readingFor(live, from);
        if (!reading) return undefined;
        keep(live.input.command.id, reading);
        const pieces = await readRange(reading, from, to, Math.min(bytesMax, answerBytesMax));
        return { pieces, startedNs: reading.startedNs, timeNs: reading.timeNs };
      }),
    close: () =>
      alone(async () => {
        for (const commandId of [...readings.keys()]) forget(commandId);
      }),
  };
}

async function readRange(reading: Reading, from: number, to: number, bytesMax: number): Promise<OutputPiece[]> {
  reading.from = from;
  reading.pieces = piecesFrom(reading.pieces, from);
  const isEnough = () =>
    costOf(reading.pieces) >= bytesMax || (reading.timeNs !== undefined && endOf(reading.pieces) >= to);
  while (!reading.isOver && !isEnough()) {
    const frames = await readFrames(reading);
    for (const frame of frames) accept(reading, frame);
    reading.pieces = merged(piecesFrom(reading.pieces, from));
    if (frames.length === 0 || from === to) break;
  }
  const pieces: OutputPiece[] = [];
  for (const piece of reading.pieces) {
    const left = bytesMax - costOf(pieces) - pieceCostBytes;
    const length = Math.min(piece.bytes.length, to - piece.position, left);
    if (length <= 0) break;
    pieces.push({ ...piece, bytes: piece.bytes.subarray(0, length) });
    if (length < piece.bytes.length) break;
  }
  return pieces;
}

async function readFrames(reading: Reading): Promise<JournalFrame[]> {
  try {
    return await reading.journal.read();
  } catch (error) {
    if (!(error instanceof JournalCorrupt)) throw error;
    return [];
  }
}

function accept(reading: Reading, frame: JournalFrame): void {
  if (frame.type !== 'header') reading.timeNs = frame.timeNs;
  if (frame.type === 'started') reading.startedNs = frame.timeNs;
  if (frame.type === 'output') reading.pieces.push(...reading.mask.push(frame));
  if (frame.type !== 'end') return;
  reading.pieces.push(...reading.mask.flush());
  reading.isOver = true;
}

function piecesFrom(pieces: readonly OutputPiece[], from: number): OutputPiece[] {
  return pieces.flatMap((piece) => {
    if (piece.position >= from) return [piece];
    return piece.position + piece.bytes.length > from ? [cutFront(piece, from - piece.position)] : [];
  });
}

/** What follows in one stream becomes one piece. */
function merged(pieces: readonly OutputPiece[]): OutputPiece[] {
  const runs: OutputPiece[][] = [];
  for (const piece of pieces) {
    const run = runs.at(-1);
    if (run?.[0]!.stream === piece.stream) run.push(piece);
    else runs.push([piece]);
  }
  return runs.map((run) =>
    run.length === 1 ? run[0]! : { ...run[0]!, bytes: Buffer.concat(run.map(({ bytes }) => bytes)) },
  );
}

function costOf(pieces: readonly OutputPiece[]): number {
  return pieces.reduce((sum, { bytes }) => sum + bytes.length + pieceCostBytes, 0);
}

function endOf(pieces: readonly OutputPiece[]): number {
  const last = pieces.at(-1);
  return last ? last.position + last.bytes.length : 0;
}
