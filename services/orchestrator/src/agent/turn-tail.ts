// What the stream has of a turn since its conversation was last read: the newest step, what its tools came to, and what befell the session
// meanwhile. It is there as soon as it is published; the trace-store has it once it is stored, which would be waited for in every step.
//
// 1. All of it, or nothing is answered: the numbers of a producer follow each other, a step ends with its message, and each use of a tool
//    with its end.
// 2. In the order of the stream.
// 3. With the end of a use of a tool that was missing before: of a turn that was canceled it may come while the next one goes on.

import { fromBinary } from '@bufbuild/protobuf';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { eventStream, eventSubject, sessionProducer } from '@worktrail/contract/subjects';
import { modelStepProducer } from '@worktrail/contract/turns';
import { type Event, EventSchema } from '@worktrail/proto/event';

export type TailReader = Pick<JetStreamManager, 'direct' | 'streams'>;

/** How far the turn is known. */
export interface TailPosition {
  /** Up to here the conversation was read before the step that came first. */
  sequence: number;
  /** The session's own newest event that is known; null: it was not looked for yet. */
  session: { number: number; sequence: number } | null;
}

export interface TurnTail {
  events: Event[];
  position: TailPosition;
}

interface Read {
  sequence: number;
  event: Event;
}

/** Of one producer. A step that said more is read from the trace-store. */
const eventsMax = 1_000;
const bytesMax = 1024 * 1024;

/** `step`: the newest one that was made. `open`: uses of tools before it that had no end yet. undefined: not all of it is there. */
export async function readTurnTail(
  jsm: TailReader,
  ref: SandboxRef,
  { turnId, step }: { turnId: string; step: number },
  since: TailPosition,
  open: readonly string[],
): Promise<TurnTail | undefined> {
  const [session, made, ...late] = await Promise.all([
    readSession(jsm, ref, since),
    readStep(jsm, ref, { turnId, step }, since),
    ...open.map((toolCallId) => readEnd(jsm, ref, toolCallId)),
  ]);
  if (!session || !made) return undefined;
  const read = [...session.read, ...made, ...late.filter((end) => end !== undefined)].toSorted(
    (a, b) => a.sequence - b.sequence,
  );
  const { newest } = session;
  const position = { number: Number(newest.event.number), sequence: newest.sequence };
  return { events: read.map(({ event }) => event), position: { ...since, session: position } };
}

async function readSession(
  jsm: TailReader,
  ref: SandboxRef,
  since: TailPosition,
): Promise<{ read: Read[]; newest: Read } | undefined> {
  const newest = await readLast(jsm, ref, sessionProducer);
  if (!newest) return undefined;
  const known = since.session?.sequence ?? since.sequence;
  if (newest.sequence <= known) return { read: [], newest };
  // What is gone from the stream may be of this session.
  if (!since.session && !(await reachesBack(jsm, ref, since.sequence))) return undefined;
  const read = await readAfter(jsm, ref, sessionProducer, known);
  const first = since.session ? since.session.number + 1 : Number(read[0]?.event.number);
  return isWhole(read, first, Number(newest.event.number)) ? { read, newest } : undefined;
}

async function reachesBack(jsm: TailReader, { partition }: SandboxRef, sequence: number): Promise<boolean> {
  const { state } = await jsm.streams.info(eventStream(partition));
  return state.first_seq <= sequence + 1;
}

async function readStep(
  jsm: TailReader,
  ref: SandboxRef,
  { turnId, step }: { turnId: string; step: number },
  since: TailPosition,
): Promise<Read[] | undefined> {
  const read = await readAfter(jsm, ref, modelStepProducer(turnId, step), since.sequence);
  const payload = read.at(-1)?.event.payload;
  if (payload?.case !== 'messageAgent' || !isWhole(read, 1, read.length)) return undefined;
  const ends = await Promise.all(payload.value.toolCalls.map(({ toolCallId }) => readEnd(jsm, ref, toolCallId)));
  const told = ends.filter((end) => end !== undefined);
  return told.length === ends.length ? [...read, ...told] : undefined;
}

async function readEnd(jsm: TailReader, ref: SandboxRef, toolCallId: string): Promise<Read | undefined> {
  const last = await readLast(jsm, ref, toolCallId);
  return last?.event.payload.case === 'toolEnded' ? last : undefined;
}

function isWhole(read: readonly Read[], first: number, last: number): boolean {
  const isNext = read.every(({ event }, index) => Number(event.number) === first + index);
  return isNext && Number(read.at(-1)?.event.number) === last;
}

/** From the stream's leader, which has what is the newest. */
async function readLast(jsm: TailReader, ref: SandboxRef, producer: string): Promise<Read | undefined> {
  const query = { last_by_subj: eventSubject(ref, producer) };
  const message = await jsm.streams.getMessage(eventStream(ref.partition), query);
  return message ? readMessage(message) : undefined;
}

async function readAfter(jsm: TailReader, ref: SandboxRef, producer: string, sequence: number): Promise<Read[]> {
  const query = { seq: sequence + 1, next_by_subj: eventSubject(ref, producer), batch: eventsMax, max_bytes: bytesMax };
  const read: Read[] = [];
  // As an iterator it would leave its subscription behind.
  await new Promise<void>((resolve, reject) => {
    const callback = (done: { err?: Error } | null, message: StoredMsg) => {
      if (!done) read.push(readMessage(message));
      else if (done.err && !isNothingFound(done.err)) reject(done.err);
      else resolve();
    };
    jsm.direct.getBatch(eventStream(ref.partition), { ...query, callback }).catch(reject);
  });
  return read;
}

function isNothingFound(error: Error): boolean {
  return (error as { code?: number }).code === 404;
}

function readMessage({ seq, data }: Pick<StoredMsg, 'seq' | 'data'>): Read {
  return { sequence: seq, event: fromBinary(EventSchema, data) };
}
