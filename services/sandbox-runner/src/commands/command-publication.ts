// Turns a command's journal into its events.
//
// 1. Order: queued, started, output in the order of positions, ended, and nothing else but one gap where output was not kept: from
//    the last of them alone it is known what is stored. Each is stored before the next is published.
// 2. What the producer's state says is stored is not published again; it goes on at the very byte.
// 3. The supervisor is told what is stored, so that it never has to hold back output that is safe.

import { limits } from '@worktrail/contract/limits';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { EventPayloadInit, Producer } from '@worktrail/runtime/event-producer';
import {
  type CommandEnd,
  endedPayload,
  endOf,
  millisecondsOf,
  outputGapPayload,
  outputPayload,
  queuedPayload,
  startedPayload,
} from './command-events.ts';
import { type JournalFrame, JournalCorrupt } from '../supervision/journal-format.ts';
import { createOutputBuffer } from './output-buffer.ts';
import { type OutputPiece, cutFront, type SecretMask } from './secret-mask.ts';

/** Told to the supervisor at least this often: far below the 16 MiB at which it stops reading. */
const acknowledgeBytes = 1_048_576;
/** The same for frames: far below the 262,144 at which it stops too. */
const acknowledgeFrames = 16_384;
const runnerActor = { kind: 'system', id: 'sandbox-runner' } as const;

export interface Publication {
  command: CommandSpec;
  producer: Producer;
  mask: SecretMask;
  clock: () => number;
  /** What follows this position is written at the command's end only. */
  heldBackFrom?: number | undefined;
  /** Everything below this position is stored. */
  acknowledge(position: number): void;
}

/** Publishes until the end, which it answers. @throws StaleProducerError when another writer is ahead. */
export async function publishCommand(
  publication: Publication,
  frames: AsyncIterator<JournalFrame, void, void>,
): Promise<CommandEnd> {
  await publishQueued(publication);
  const progress = createProgress(publication);
  let corrupt: JournalCorrupt | undefined;
  try {
    await follow(frames, progress);
  } catch (error) {
    if (!(error instanceof JournalCorrupt)) throw error;
    corrupt = error;
  }
  await progress.flush();
  const end = progress.end() ?? lostEnd(publication, corrupt, progress.startedMs());
  await progress.append(endedPayload(end), end.endedMs);
  return end;
}

export async function publishQueued({ command, producer }: Pick<Publication, 'command' | 'producer'>): Promise<void> {
  if (producer.state.number > 0) return;
  const { actor, queuedAt } = command;
  await producer.append({ ...about(command), time: new Date(queuedAt), actor, payload: queuedPayload(command) });
}

function about({ id, turnId = '' }: Publication['command']): { commandId: string; turnId: string } {
  return { commandId: id, turnId };
}

/** A command that ends without having had a journal. */
export async function publishUnstarted(
  { command, producer, clock }: Pick<Publication, 'command' | 'producer' | 'clock'>,
  { outcome, reason }: { outcome: 'failed_to_start' | 'canceled'; reason: string },
): Promise<CommandEnd> {
  await publishQueued({ command, producer });
  const result = { outcome, reason, exitCode: null, signal: null, stdoutBytes: 0, stderrBytes: 0 };
  const end: CommandEnd = { result, endedMs: clock() };
  const time = new Date(end.endedMs);
  await producer.append({ ...about(command), time, actor: runnerActor, payload: endedPayload(end) });
  return end;
}

type Progress = ReturnType<typeof createProgress>;

async function follow(frames: AsyncIterator<JournalFrame, void, void>, progress: Progress): Promise<void> {
  let next = frames.next();
  // Answered below; until then a rejection must not count as unhandled.
  next.catch(() => undefined);
  while (true) {
    const dueInMs = progress.dueInMs();
    if (dueInMs === 0) {
      await progress.send();
      continue;
    }
    const answer = dueInMs === undefined ? await next : await orTimeout(next, dueInMs);
    if (answer === undefined) continue;
    if (answer.done) return;
    await progress.accept(answer.value);
    next = frames.next();
    next.catch(() => undefined);
  }
}

function createProgress({ command, producer, mask, clock, acknowledge }: Publication) {
  const buffer = createOutputBuffer({ bytesMax: limits.outputEventBytesMax, delayMs: limits.outputEventDelayMs });
  let startedMs: number | undefined;
  let outputMs = clock();
  let acknowledged = 0;
  let unacknowledgedFrames = 0;
  /** Where the next output begins, unless some was not kept. */
  let followed = 0;
  let end: CommandEnd | undefined;

  const append = async (payload: EventPayloadInit, timeMs: number): Promise<void> => {
    await producer.append({ ...about(command), time: new Date(timeMs), actor: runnerActor, payload });
  };

  const push = (pieces: OutputPiece[]): void => {
    for (const piece of pieces) {
      const known = producer.state.position + buffer.pendingBytes - piece.position;
      if (known < piece.bytes.length) buffer.push(known > 0 ? cutFront(piece, known) : piece);
    }
  };

  const acknowledgeStored = (): void => {
    acknowledged = producer.state.position;
    unacknowledgedFrames = 0;
    acknowledge(acknowledged);
  };

  const send = async (): Promise<void> => {
    for (let piece = buffer.take(); piece; piece = buffer.take()) {
      await append(outputPayload(piece), outputMs);
      if (producer.state.position - acknowledged >= acknowledgeBytes) acknowledgeStored();
    }
    if (unacknowledgedFrames >= acknowledgeFrames) acknowledgeStored();
    buffer.sent(clock());
  };

  const skipTo = async (position: number, timeMs: number): Promise<void> => {
    if (position <= followed) return;
    push(mask.skip());
    await send();
    const from = Math.max(followed, producer.state.position);
    if (from < position) await append(outputGapPayload(command.id, from, position), timeMs);
  };

  return {
    append,
    send,
    end: () => end,
    startedMs: () => startedMs,
    dueInMs: () => buffer.dueInMs(clock()),
    async flush() {
      push(mask.flush());
      await send();
    },
    async accept(frame: JournalFrame): Promise<void> {
      switch (frame.type) {
        case 'header':
          return;
        case 'started':
          startedMs = millisecondsOf(frame.timeNs);
          if (producer.state.number < 2) await append(startedPayload, startedMs);
          return;
        case 'output':
          await skipTo(frame.position, millisecondsOf(frame.timeNs));
          followed = frame.position + frame.bytes.length;
          unacknowledgedFrames += 1;
          outputMs = millisecondsOf(frame.timeNs);
          push(mask.push(frame));
          return;
        case 'end':
          await skipTo(frame.stdoutBytes + frame.stderrBytes, millisecondsOf(frame.timeNs));
          end = endOf(frame, startedMs);
      }
    },
  };
}

function lostEnd(
  { producer, clock, heldBackFrom = Infinity }: Publication,
  corrupt: JournalCorrupt | undefined,
  startedMs: number | undefined,
): CommandEnd {
  const { stdoutOffset, stderrOffset, position } = producer.state;
  const stopped = 'the sandbox stopped before the command ended';
  const reason = position < heldBackFrom ? stopped : `${stopped}, and the end of its output is lost with it`;
  return {
    result: {
      outcome: 'sandbox_lost',
      reason: corrupt ? 'journal_corrupt' : reason,
      exitCode: null,
      signal: null,
      stdoutBytes: stdoutOffset,
      stderrBytes: stderrOffset,
    },
    ...(startedMs !== undefined && { startedMs }),
    endedMs: clock(),
  };
}

async function orTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, undefined);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
