// Events of an import into the stream, in the order of their file, each once: as their producers, under their numbers, with the expectation
// that makes a second writer fail. The ingest makes of them what it made of them elsewhere.
//
// 1. An event is published only after each before it is stored. So whoever imports the same file at the same time, or again after a break,
//    gives it the same order.
// 2. What is stored is passed over. What does not follow its producer's last event is refused: something of the file is missing.

import { toBinary } from '@bufbuild/protobuf';
import { WorktrailError } from '@worktrail/contract/errors';
import { sessionProducer, eventStream, eventSubject } from '@worktrail/contract/subjects';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { type ProducerDeps, type ProducerState, recoverProducer } from '@worktrail/runtime/event-producer';
import { type ImportedEvent, refused } from './parse-lines.ts';

export interface ImportInto {
  organizationId: string;
  projectId: string;
  partition: number;
}

const triesMax = 3;

/** How many of them were not stored before. @throws validation_failed, dependency_unavailable */
export async function publishImported(
  deps: ProducerDeps,
  into: ImportInto,
  events: readonly ImportedEvent[],
  signal: AbortSignal,
): Promise<number> {
  const states = await checked(deps, into, events, signal);
  let fresh = 0;
  for (const { event: given } of events) {
    signal.throwIfAborted();
    const event: Event = { ...given, organizationId: into.organizationId, projectId: into.projectId };
    const state = states.get(keyOf(event))!;
    if (Number(event.number) <= state.number) continue;
    states.set(keyOf(event), await publish(deps, into, event, state, signal));
    fresh += 1;
  }
  return fresh;
}

/** What is stored of each producer. @throws validation_failed where something is missing before an event */
async function checked(
  deps: ProducerDeps,
  into: ImportInto,
  events: readonly ImportedEvent[],
  signal: AbortSignal,
): Promise<Map<string, ProducerState>> {
  const states = new Map<string, ProducerState>();
  const numbers = new Map<string, number>();
  for (const [index, { event, line }] of events.entries()) {
    const key = keyOf(event);
    if (!states.has(key)) states.set(key, await recovered(deps, into, event, signal));
    const last = numbers.get(key) ?? states.get(key)!.number;
    const number = Number(event.number);
    if (number <= last) continue;
    if (!follows(event, last)) {
      throw refused(
        line,
        `event ${number} of ${event.producer} does not follow ${last}: something before it is missing`,
      );
    }
    // A history begins with what its session says first. Whatever else is first here came after something.
    if (index === 0 && !(event.producer === sessionProducer && last === 0)) {
      throw refused(line, 'is not the first event of a history, and is not stored: begin with one that is');
    }
    numbers.set(key, number);
  }
  return states;
}

function keyOf({ sessionId, producer }: Event): string {
  return `${sessionId}.${producer}`;
}

/** The next number, or the gap that stands for all from the next one to its own. */
function follows({ number, producer, payload }: Event, stored: number): boolean {
  if (Number(number) === stored + 1) return true;
  return (
    payload.case === 'gap' && payload.value.producer === producer && Number(payload.value.fromNumber) === stored + 1
  );
}

async function publish(
  deps: ProducerDeps,
  into: ImportInto,
  event: Event,
  before: ProducerState,
  signal: AbortSignal,
): Promise<ProducerState> {
  const number = Number(event.number);
  const subject = eventSubject({ ...into, sessionId: event.sessionId }, event.producer);
  const bytes = toBinary(EventSchema, event);
  for (let state = before, tries = 1; ; tries += 1) {
    try {
      const expect = { streamName: eventStream(into.partition), lastSubjectSequence: state.sequence };
      const { seq } = await deps.js.publish(subject, bytes, { expect });
      return { ...state, number, sequence: seq };
    } catch (error) {
      state = await recovered(deps, into, event, signal);
      if (state.number >= number) return state;
      if (tries >= triesMax) throw away(error);
    }
  }
}

async function recovered(
  deps: ProducerDeps,
  into: ImportInto,
  { sessionId, producer, generation }: Event,
  signal: AbortSignal,
): Promise<ProducerState> {
  try {
    return await recoverProducer(deps, { ...into, sessionId, generation, producer, signal });
  } catch (error) {
    throw away(error);
  }
}

function away(error: unknown): WorktrailError {
  return new WorktrailError('dependency_unavailable', `an event could not be stored: ${(error as Error).message}`, {
    cause: error,
  });
}
