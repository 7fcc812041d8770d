// Reads a command's journal while it grows.
//
// Promises:
// 1. Every complete frame comes once and in order; what is torn is waited for.
// 2. The file is hostile input: no symlink, FIFO or device is opened, at most `readBytesMax` bytes are held, and what the supervisor
//    cannot have written (a gap in positions that its header does not allow, a second end, a file that shrank) throws `JournalCorrupt` and nothing else.
// 3. A follower that starts at a position gets exactly the output from there on, if needed from the middle of a frame.

import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import {
  type EndFrame,
  type HeaderFrame,
  type JournalFrame,
  JournalCorrupt,
  journalHeaderBytes,
  type OutputFrame,
  outputBytesPerFrameMax,
  parseFrame,
} from './journal-format.ts';
import type { JournalWatch } from './journal-watch.ts';

/** Some of the largest frames, so that little is read twice. */
const readBytesMax = 8 * (outputBytesPerFrameMax + 64);
/** What a command has just written is in memory: reading it at once is faster than asking a thread to. */
const readAtOnceBytesMax = 16_384;
const readInThread = promisify(read);
const safetyPollMs = 250;

export type JournalReader = {
  /** The complete frames that were not given before, possibly none. */
  read(): Promise<JournalFrame[]>;
  readonly ended: boolean;
  close(): void;
};

/** Opens a journal that exists; `ENOENT` is passed on, anything that is no regular file is `JournalCorrupt`. */
export function openJournal(path: string): JournalReader {
  const fd = openHostile(path);
  const order = createFrameOrder();
  let fileOffset = 0;

  return {
    async read() {
      const buffer = await readFrom(fd, fileOffset);
      const frames: JournalFrame[] = [];
      let at = 0;
      for (let parsed = parseFrame(buffer, at, fileOffset); parsed; parsed = parseFrame(buffer, at, fileOffset)) {
        order.accept(parsed.frame, fileOffset + at);
        frames.push(parsed.frame);
        at = parsed.next;
      }
      fileOffset += at;
      return frames;
    },
    get ended() {
      return order.ended;
    },
    close: () => closeSync(fd),
  };
}

function openHostile(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ELOOP' || code === 'ENXIO' ? new JournalCorrupt('not a regular file', 0) : error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new JournalCorrupt('not a regular file', 0);
}

async function readFrom(fd: number, fileOffset: number): Promise<Buffer> {
  const { size } = fstatSync(fd);
  if (size < fileOffset) throw new JournalCorrupt(`the file shrank to ${size} bytes`, fileOffset);
  const length = Math.min(size - fileOffset, readBytesMax);
  const buffer = Buffer.allocUnsafe(length);
  if (length <= readAtOnceBytesMax) return buffer.subarray(0, readSync(fd, buffer, 0, length, fileOffset));
  const { bytesRead } = await readInThread(fd, buffer, 0, length, fileOffset);
  return buffer.subarray(0, bytesRead);
}

/**
 * The order in which a supervisor writes: header, started, output, one end. Output has no gap, or one where the header says that
 * it may: after it offsets and positions are further on, and still a position is the sum of both streams' offsets.
 */
export function createFrameOrder() {
  const bytes = { stdout: 0, stderr: 0 };
  let mayJump = false;
  let jumped = false;
  let last: JournalFrame['type'] | undefined;
  let startedSeen = false;

  const refuse = (detail: string, fileOffset: number): never => {
    throw new JournalCorrupt(detail, fileOffset);
  };
  const acceptOutput = (frame: OutputFrame, at: number) => {
    if (!startedSeen) refuse('output before the command started', at);
    const other = frame.stream === 'stdout' ? 'stderr' : 'stdout';
    const before = { [frame.stream]: frame.offset, [other]: frame.position - frame.offset } as typeof bytes;
    if (isFurther(before) && mayJump) jump(before);
    if (frame.offset !== bytes[frame.stream]) refuse(`gap in ${frame.stream}`, at);
    if (frame.position !== bytes.stdout + bytes.stderr) refuse('gap in the positions', at);
    bytes[frame.stream] += frame.bytes.length;
  };
  const acceptEnd = (frame: EndFrame, at: number) => {
    const total = { stdout: frame.stdoutBytes, stderr: frame.stderrBytes };
    if (isFurther(total) && mayJump) jump(total);
    const agrees = total.stdout === bytes.stdout && total.stderr === bytes.stderr;
    if (!agrees) refuse('the end counts other bytes than were written', at);
    if (jumped && !frame.outputTruncated) refuse('a gap in the output that the end does not know', at);
  };
  const isFurther = (to: typeof bytes) =>
    to.stdout >= bytes.stdout && to.stderr >= bytes.stderr && to.stdout + to.stderr > bytes.stdout + bytes.stderr;
  const jump = (to: typeof bytes) => {
    Object.assign(bytes, to);
    mayJump = false;
    jumped = true;
  };

  return {
    get ended() {
      return last === 'end';
    },
    accept(frame: JournalFrame, at: number): void {
      if (last === 'end') refuse('a frame after the end', at);
      if ((frame.type === 'header') !== (last === undefined)) refuse('header missing or repeated', at);
      if (frame.type === 'started' && last !== 'header') refuse('started out of order', at);
      if (frame.type === 'header') ({ mayJump } = frame);
      if (frame.type === 'started') startedSeen = true;
      if (frame.type === 'output') acceptOutput(frame, at);
      if (frame.type === 'end') acceptEnd(frame, at);
      last = frame.type;
    },
  };
}

export type FollowOptions = {
  /** Output below this position is left out; a frame across it is cut. Default 0. */
  fromPosition?: number;
  /** Ends the iteration by throwing the signal's reason. */
  signal?: AbortSignal;
  /** The watch of the directory that the journal is in, shared by all its followers. */
  wake: JournalWatch;
};

/** The frames of a journal, which may not exist yet, up to its end frame. Header, started and end always come. */
export async function* followJournal(path: string, options: FollowOptions): AsyncGenerator<JournalFrame, void, void> {
  const { fromPosition = 0, signal, wake } = options;
  const growth = wake.subscribe(basename(path));
  let reader: JournalReader | undefined;
  try {
    while (true) {
      signal?.throwIfAborted();
      growth.reset();
      reader ??= openIfThere(path);
      const frames = (await reader?.read()) ?? [];
      for (const frame of frames) {
        const kept = cutBefore(frame, fromPosition);
        if (kept !== undefined) yield kept;
      }
      if (reader?.ended) return;
      if (frames.length === 0) await growth.wait(safetyPollMs, signal);
    }
  } finally {
    growth.close();
    reader?.close();
  }
}

/** The journal, or `undefined` where none is yet. */
export function openIfThere(path: string): JournalReader | undefined {
  return unlessMissing(() => openJournal(path));
}

function unlessMissing<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A journal's header, once it is whole; what follows it is not looked at. @throws JournalCorrupt */
export function readJournalHeader(path: string): HeaderFrame | undefined {
  const fd = unlessMissing(() => openHostile(path));
  if (fd === undefined) return undefined;
  try {
    const buffer = Buffer.alloc(journalHeaderBytes);
    if (readSync(fd, buffer, 0, buffer.length, 0) < buffer.length) return undefined;
    const frame = parseFrame(buffer, 0)?.frame;
    if (frame?.type !== 'header') throw new JournalCorrupt('not a journal header', 0);
    return frame;
  } finally {
    closeSync(fd);
  }
}

/** What of a frame is at or after `position`; `undefined` when that is nothing. */
export function cutBefore(frame: JournalFrame, position: number): JournalFrame | undefined {
  if (frame.type !== 'output' || frame.position >= position) return frame;
  const skip = position - frame.position;
  if (skip >= frame.bytes.length) return undefined;
  return { ...frame, offset: frame.offset + skip, position, bytes: frame.bytes.subarray(skip) };
}
