// Publishing events so that a retry neither loses nor doubles, whoever died in between.
//
// 1. Each event of a producer is awaited, and published with the expected last sequence of its subject: a stale or second
//    writer is refused.
// 2. An unknown result (time-out, lost connection) is settled by reading the subject's last message; where the subject is empty,
//    by the trace-store's mark, and the expected sequence is 0.
// 3. While the stream is full or NATS is away, `append` waits, until the signal aborts. Nothing is dropped.
// 4. After a producer's end nothing is appended: `command.ended` of a command, `tool.ended` of a use of a tool, `message.agent` of a step.

import { createHash } from 'node:crypto';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { JetStreamApiCodes, JetStreamApiError, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import type { ActorRef } from '@worktrail/contract/commands';
import type { EventDraft } from '@worktrail/contract/event-draft';
import { idFrom } from '@worktrail/contract/ids';
import { eventStream, eventSubject } from '@worktrail/contract/subjects';
import { ActorKind, type Event, EventSchema, Stream } from '@worktrail/proto/event';
import { eventBytes } from './event-bytes.ts';
import type { Logger } from './log.ts';
import type { TraceClient } from './trace-client.ts';

export interface ProducerDeps {
  js: JetStreamClient;
  jsm: JetStreamManager;
  trace: Pick<TraceClient, 'getProducerMark'>;
  log: Logger;
}

export interface ProducerRef {
  organizationId: string;
  projectId: string;
  sessionId: string;
  partition: number;
  generation: number;
  /** The subject's last token: "session" or a command id. */
  producer: string;
  /** Ends the waiting for a stream that does not take events. */
  signal: AbortSignal;
}

/** Whether its producer has nothing to say after it. An agent in the sandbox tells of many tools and messages, none of which is its own. */
export function endsProducer(producer: string, payload: Event['payload']): boolean {
  switch (payload.case) {
    case 'commandEnded':
      return true;
    case 'toolEnded':
      return payload.value.toolCallId === producer;
    case 'messageAgent':
      return payload.value.messageId === producer;
    default:
      return false;
  }
}

/** How soon the first event of a producer is looked for again, and how often in the stream alone. */
const beginning = { ms: 4, looks: 4 };

/** What is stored of a producer. */
export interface ProducerState {
  /** Of the last event; 0 when there is none. */
  number: number;
  /** Expected last sequence of the subject. */
  sequence: number;
  /**
   * How far each stream, and both together, are in events: the position is always the sum of the offsets. Output that was not kept
   * counts; while a gap is the last event, as stdout's.
   */
  stdoutOffset: number;
  stderrOffset: number;
  position: number;
  ended: boolean;
}

export const newProducerState: Readonly<ProducerState> = {
  number: 0,
  sequence: 0,
  stdoutOffset: 0,
  stderrOffset: 0,
  position: 0,
  ended: false,
};

export type EventPayloadInit = NonNullable<MessageInitShape<typeof EventSchema>['payload']>;

export interface EventInit {
  time: Date;
  actor: ActorRef;
  turnId?: string;
  commandId?: string;
  payload: EventPayloadInit;
}

export interface Producer {
  readonly state: Readonly<ProducerState>;
  /** Resolves once the event is stored. @throws StaleProducerError when another writer is ahead. */
  append(event: EventInit): Promise<{ number: number; sequence: number }>;
}

/** Another writer of the same producer is ahead: stop, or recover and go on from what it wrote. */
export class StaleProducerError extends Error {
  readonly stored: ProducerState;
  constructor(subject: string, stored: ProducerState) {
    super(`another writer of ${subject} is ahead at event ${stored.number}`);
    this.name = 'StaleProducerError';
    this.stored = stored;
  }
}

/**
 * `state`: from recoverProducer, or newProducerState where the caller knows that nothing was ever published by this producer
 * (to be wrong about that after a purge would double events).
 */
export function createProducer(
  deps: ProducerDeps,
  ref: ProducerRef,
  initial: ProducerState = newProducerState,
): Producer {
  const subject = eventSubject(ref, ref.producer);
  const state = { ...initial };
  return {
    state,
    append: async (init) => {
      if (state.ended) throw new StaleProducerError(subject, state);
      const event = buildEvent(ref, init, state.number + 1);
      state.sequence = await publishOnce(deps, ref, state, event);
      advance(state, event);
      return { number: state.number, sequence: state.sequence };
    },
  };
}

/**
 * Appends events numbered by a workflow, in the order of their numbers, skipping those that are stored already.
 * `isFirstTry`: nobody tried to append these very events before, so a producer's first one cannot have been stored and purged.
 * What was published before and is stored nowhere any more is not the workflow's to repeat: a first try throws, a later one leaves the
 * hole, which the trace-store accounts for.
 * `memory`: what this process has appended need not be read again. Where another has meanwhile, the stream refuses, and it is read.
 */
export async function appendDrafts(
  deps: ProducerDeps,
  ref: ProducerRef,
  drafts: readonly EventDraft[],
  isFirstTry: boolean,
  memory: ProducerMemory = createProducerMemory(0),
): Promise<void> {
  if (drafts.length === 0) return;
  const subject = eventSubject(ref, ref.producer);
  const { number } = drafts[0]!;
  const supposed = isFirstTry && number === 1 ? newProducerState : memory.get(subject, number - 1);
  const append = async (state: ProducerState) =>
    memory.set(subject, await appendFrom(deps, ref, state, drafts, isFirstTry));
  try {
    await append(supposed ?? (await recoverUntilKnown(deps, ref)));
  } catch (error) {
    if (!supposed || !(error instanceof StaleProducerError)) throw error;
    await append(await recoverUntilKnown(deps, ref));
  }
}

/** How far producers were when this process last appended to them. */
export interface ProducerMemory {
  /** Where it is known to be at this event. */
  get(subject: string, number: number): ProducerState | undefined;
  set(subject: string, state: ProducerState): void;
}

export function createProducerMemory(producersMax: number): ProducerMemory {
  const states = new Map<string, ProducerState>();
  return {
    get: (subject, number) => {
      const state = states.get(subject);
      return state?.number === number ? state : undefined;
    },
    set: (subject, state) => {
      states.delete(subject);
      if (!state.ended) states.set(subject, state);
      if (states.size > producersMax) states.delete(states.keys().next().value!);
    },
  };
}

async function appendFrom(
  deps: ProducerDeps,
  ref: ProducerRef,
  state: ProducerState,
  drafts: readonly EventDraft[],
  isFirstTry: boolean,
): Promise<ProducerState> {
  const missing = drafts.filter(({ number }) => number > state.number);
  const before = (missing[0]?.number ?? state.number + 1) - 1;
  const isLost = before > state.number && !isFirstTry;
  if (isLost) deps.log.error({ ...idsOf(ref), from: state.number + 1, to: before }, 'events of a producer are lost');
  const producer = createProducer(deps, ref, isLost ? { ...state, number: before } : state);
  for (const draft of missing) {
    const { number } = producer.state;
    if (draft.number !== number + 1) {
      throw new Error(`event ${draft.number} of ${ref.sessionId}/${ref.producer} does not follow ${number}`);
    }
    await producer.append({ ...draft, payload: payloadOf(draft), time: new Date(draft.time) });
  }
  return { ...producer.state };
}

function payloadOf({ payload }: EventDraft): EventPayloadInit {
  if (payload.case === 'usage') {
    const { inputTokens, outputTokens, cachedInputTokens, ...rest } = payload.value;
    const tokens = {
      inputTokens: BigInt(inputTokens),
      outputTokens: BigInt(outputTokens),
      cachedInputTokens: BigInt(cachedInputTokens),
    };
    return { case: 'usage', value: { ...rest, ...tokens } };
  }
  if (payload.case === 'checkpointCreated') {
    const leftOut = payload.value.leftOut.map((one) => ({
      ...one,
      files: one.files.map((file) => ({ ...file, bytes: BigInt(file.bytes) })),
    }));
    return { case: 'checkpointCreated', value: { ...payload.value, leftOut } };
  }
  if (payload.case !== 'filesChanged') return payload;
  const files = payload.value.files.map((file) => ({
    ...file,
    additions: BigInt(file.additions),
    deletions: BigInt(file.deletions),
  }));
  return { case: 'filesChanged', value: { ...payload.value, files } };
}

function idsOf({ organizationId, sessionId, producer }: ProducerRef) {
  return { organizationId, sessionId, producer };
}

/** What is stored of a producer, by the subject's last message, else by the trace-store's mark. */
export async function recoverProducer(deps: ProducerDeps, ref: ProducerRef): Promise<ProducerState> {
  return (await readStored(deps, ref)).state;
}

/** The same, once another has written its first event, which is about to be. */
export async function recoverBegunProducer(deps: ProducerDeps, ref: ProducerRef): Promise<ProducerState> {
  for (let attempt = 0; ; attempt++) {
    const stored = attempt < beginning.looks ? await readInStream(deps, ref) : await readStored(deps, ref);
    if (stored && stored.state.number > 0) return stored.state;
    await backOff(attempt, ref.signal, beginning.ms);
  }
}

interface Stored {
  state: ProducerState;
  /** The last message's bytes; undefined when only the mark is left. */
  bytes?: Uint8Array;
}

async function readStored(deps: ProducerDeps, ref: ProducerRef): Promise<Stored> {
  return (await readInStream(deps, ref)) ?? (await readMark(deps, ref));
}

async function readInStream(deps: ProducerDeps, ref: ProducerRef): Promise<Stored | undefined> {
  // From the stream's leader: a replica's direct get may be behind.
  const last = await deps.jsm.streams.getMessage(eventStream(ref.partition), {
    last_by_subj: eventSubject(ref, ref.producer),
  });
  if (!last) return undefined;
  const state = { ...newProducerState, sequence: last.seq };
  const event = fromBinary(EventSchema, last.data);
  state.number = Number(event.number) - 1;
  setOffsets(state, event);
  advance(state, event);
  return { state, bytes: last.data };
}

async function readMark(deps: ProducerDeps, ref: ProducerRef): Promise<Stored> {
  const mark = await deps.trace.getProducerMark({
    scope: { organizationId: ref.organizationId, sessionId: ref.sessionId, partition: ref.partition },
    producer: ref.producer,
  });
  return {
    state: {
      number: Number(mark.number),
      sequence: 0,
      stdoutOffset: Number(mark.stdoutOffset),
      stderrOffset: Number(mark.stderrOffset),
      position: Number(mark.position),
      ended: mark.ended,
    },
  };
}

async function recoverUntilKnown(deps: ProducerDeps, ref: ProducerRef): Promise<ProducerState> {
  return (await readUntilKnown(deps, ref)).state;
}

async function readUntilKnown(deps: ProducerDeps, ref: ProducerRef): Promise<Stored> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await readStored(deps, ref);
    } catch (error) {
      deps.log.warn({ err: error, producer: ref.producer }, 'cannot read what is stored of a producer; trying again');
      await backOff(attempt, ref.signal);
    }
  }
}

async function publishOnce(
  deps: ProducerDeps,
  ref: ProducerRef,
  state: Readonly<ProducerState>,
  event: Event,
): Promise<number> {
  const subject = eventSubject(ref, ref.producer);
  const bytes = eventBytes(event);
  let expected = state.sequence;
  for (let attempt = 0; ; attempt++) {
    try {
      const ack = await deps.js.publish(subject, bytes, {
        expect: { streamName: eventStream(ref.partition), lastSubjectSequence: expected },
      });
      return ack.seq;
    } catch (error) {
      const refused = isWrongLastSequence(error);
      if (!refused) {
        if (attempt === 0)
          deps.log.warn({ err: error, producer: ref.producer }, 'an event was not taken; trying again');
        await backOff(attempt, ref.signal);
      }
      const stored = await readUntilKnown(deps, ref);
      if (stored.state.number === state.number) expected = stored.state.sequence;
      else if (isSame(stored, event, bytes)) return stored.state.sequence;
      else throw new StaleProducerError(subject, stored.state);
    }
  }
}

function isSame(stored: Stored, event: Event, bytes: Uint8Array): boolean {
  if (stored.state.number !== Number(event.number)) return false;
  return stored.bytes === undefined || Buffer.compare(stored.bytes, bytes) === 0;
}

function isWrongLastSequence(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  );
}

async function backOff(attempt: number, signal: AbortSignal, firstMs = 50): Promise<void> {
  signal.throwIfAborted();
  const delayMs = Math.min(2_000, firstMs * 2 ** attempt);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, delayMs);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
  signal.throwIfAborted();
}

const actorKinds = { user: ActorKind.USER, agent: ActorKind.AGENT, system: ActorKind.SYSTEM } as const;

function buildEvent(ref: ProducerRef, init: EventInit, number: number): Event {
  return create(EventSchema, {
    id: eventId(ref, number, init.time),
    organizationId: ref.organizationId,
    projectId: ref.projectId,
    sessionId: ref.sessionId,
    producer: ref.producer,
    number: BigInt(number),
    time: timestampFromDate(init.time),
    actor: { kind: actorKinds[init.actor.kind], id: init.actor.id },
    turnId: init.turnId ?? '',
    commandId: init.commandId ?? '',
    generation: ref.generation,
    payload: init.payload,
  });
}

function eventId(ref: ProducerRef, number: number, time: Date): string {
  const digest = createHash('sha256').update(`${ref.sessionId}/${ref.producer}/${number}`).digest();
  return idFrom('event', time.getTime(), digest);
}

function advance(state: ProducerState, event: Event): void {
  state.number = Number(event.number);
  const payload = event.payload;
  if (payload.case === 'commandOutput') {
    setOffsets(state, event);
    const length = payload.value.bytes.length;
    if (payload.value.stream === Stream.STDERR) state.stderrOffset += length;
    else state.stdoutOffset += length;
    state.position += length;
  }
  if (payload.case === 'gap' && payload.value.producer === event.producer) {
    const skipped = Math.max(0, Number(payload.value.toPosition) - state.position);
    state.stdoutOffset += skipped;
    state.position += skipped;
  }
  if (endsProducer(event.producer, payload)) state.ended = true;
}

/** The offsets before this event. */
function setOffsets(state: ProducerState, event: Event): void {
  const payload = event.payload;
  if (payload.case === 'commandEnded') {
    state.stdoutOffset = Number(payload.value.stdoutBytes);
    state.stderrOffset = Number(payload.value.stderrBytes);
    state.position = state.stdoutOffset + state.stderrOffset;
  }
  if (payload.case === 'gap' && payload.value.producer === event.producer) {
    state.position = Number(payload.value.fromPosition);
    state.stdoutOffset = state.position;
  }
  if (payload.case === 'commandOutput') {
    state.position = Number(payload.value.position);
    const offset = Number(payload.value.offset);
    if (payload.value.stream === Stream.STDERR) {
      state.stderrOffset = offset;
      state.stdoutOffset = state.position - offset;
    } else {
      state.stdoutOffset = offset;
      state.stderrOffset = state.position - offset;
    }
  }
}
