// A journal with a gap, published by runners that are killed one after the other, on a real nats-server.

import { fromBinary } from '@bufbuild/protobuf';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { eventStream, eventStreamSubjects, eventSubject } from '@worktrail/contract/subjects';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { createProducer, newProducerState, type ProducerRef, recoverProducer } from '@worktrail/runtime/event-producer';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishCommand } from './command-publication.ts';
import type { EndFrame, JournalFrame, OutputFrame } from '../supervision/journal-format.ts';
import { log, newCommand, newSession } from '../runner-bench.ts';
import { createSecretMask } from './secret-mask.ts';

let scratch: Scratch;
let server: NatsServer;
let connection: NatsConnection;
let js: JetStreamClient;
let jsm: JetStreamManager;

beforeAll(async () => {
  scratch = await makeScratch('publication');
  server = await startNatsServer(scratch.path);
  connection = await connect({ servers: server.url });
  jsm = await jetstreamManager(connection);
  js = jetstream(connection, { timeout: 1_000 });
  const subjects = [eventStreamSubjects(0).stored];
  await jsm.streams.add({ name: eventStream(0), subjects, discard: 'new', allow_direct: true });
});
afterAll(async () => {
  await connection.close();
  await server.stop();
  await scratch.remove();
});

const { command } = newCommand(newSession({ repositoryPath: '/none' }), 'true');
const whole = { stdout: 'abcdefghijklmnopqrstuvwxyz', stderr: '0123456789' };

function output(stream: OutputFrame['stream'], offset: number, position: number, length: number): OutputFrame {
  const bytes = Buffer.from(whole[stream].slice(offset, offset + length));
  return { type: 'output', timeNs: 3n, stream, offset, position, bytes };
}

/** What of both streams is in the journal: positions 0 to 9, and 24 to 35. */
const outputs = [
  output('stdout', 0, 0, 4),
  output('stderr', 0, 4, 3),
  output('stdout', 4, 7, 3),
  output('stderr', 7, 24, 2),
  output('stdout', 17, 26, 6),
  output('stderr', 9, 32, 1),
  output('stdout', 23, 33, 3),
];
const end: EndFrame = {
  type: 'end',
  timeNs: 9n,
  ...{ outcome: 'exited', exitCode: 0, signal: null, reason: '', outputTruncated: true },
  ...{ stdoutBytes: 26, stderrBytes: 10, userTimeUs: 0, systemTimeUs: 0, maxRssKib: 0 },
};
const frames: JournalFrame[] = [
  { type: 'header', timeNs: 1n, bootId: 'a'.repeat(32), commandId: command.id, mayJump: true },
  { type: 'started', timeNs: 2n, pid: 7 },
  ...outputs,
  end,
];

class Killed extends Error {}

/** The first frames; then the runner is killed, once what came so far is published or at once. */
async function* killedAfter(count: number, waitMs: number): AsyncGenerator<JournalFrame, void, void> {
  yield* frames.slice(0, count);
  if (count === frames.length) return;
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  throw new Killed();
}

const newRef = (): ProducerRef => ({
  ...newSession({ repositoryPath: '/none' }),
  producer: command.id,
  signal: new AbortController().signal,
});

async function publish(ref: ProducerRef, source: AsyncGenerator<JournalFrame, void, void>, isFirst: boolean) {
  const trace = { getProducerMark: () => Promise.reject(new Error('the mark was asked for')) };
  const deps = { js, jsm, log, trace };
  const producer = createProducer(deps, ref, isFirst ? newProducerState : await recoverProducer(deps, ref));
  const mask = createSecretMask([]);
  return publishCommand({ command, producer, clock: Date.now, mask, acknowledge: () => undefined }, source);
}

async function stored(ref: ProducerRef): Promise<Event[]> {
  const events: Event[] = [];
  const subject = eventSubject(ref, ref.producer);
  for (let seq = 1; ; seq += 1) {
    const message = await jsm.direct.getMessage(eventStream(0), { seq, next_by_subj: subject }).catch(() => null);
    if (!message) return events;
    events.push(fromBinary(EventSchema, message.data));
    seq = message.seq;
  }
}

/** Bytes at their positions, checked against those of their stream; a gap as its range. */
function told(events: readonly Event[]): string {
  const parts = events.map(({ payload, number }, index) => {
    expect(Number(number)).toBe(index + 1);
    if (payload.case === 'gap') return `[${payload.value.fromPosition}-${payload.value.toPosition}]`;
    if (payload.case !== 'commandOutput') return `<${payload.case}>`;
    const text = Buffer.from(payload.value.bytes).toString();
    const offset = Number(payload.value.offset);
    expect(text).toBe(whole[payload.value.stream === 1 ? 'stdout' : 'stderr'].slice(offset, offset + text.length));
    return text;
  });
  return parts.join('');
}

const expectedText = '<commandQueued><commandStarted>abcd012efg[10-24]78rstuvw9xyz<commandEnded>';

test('wherever runners are killed, each byte and the gap are in the history once and in order', async () => {
  const kill = fc.record({ count: fc.nat({ max: frames.length - 1 }), waitMs: fc.constantFrom(0, 0, 70) });
  await fc.assert(
    fc.asyncProperty(fc.array(kill, { maxLength: 5 }), async (kills) => {
      const ref = newRef();
      let isFirst = true;
      for (const { count, waitMs } of kills) {
        await expect(publish(ref, killedAfter(count, waitMs), isFirst)).rejects.toThrow(Killed);
        isFirst = false;
      }
      const result = (await publish(ref, killedAfter(frames.length, 0), isFirst)).result;
      expect(result).toMatchObject({ outcome: 'exited', stdoutBytes: 26, stderrBytes: 10 });
      expect(told(await stored(ref))).toBe(expectedText);
    }),
    { numRuns: 60 },
  );
});

test('a runner that was killed between the gap and what follows goes on behind it, with the offsets of both streams', async () => {
  const ref = newRef();
  const trace = { getProducerMark: () => Promise.reject(new Error('the mark was asked for')) };
  const deps = { js, jsm, log, trace };
  await expect(publish(ref, killedAfter(5, 70), true)).rejects.toThrow(Killed);
  const producer = createProducer(deps, ref, await recoverProducer(deps, ref));
  const range = { fromPosition: 10n, toPosition: 24n, reason: 'output_limit' };
  await producer.append({
    time: new Date(),
    actor: { kind: 'system', id: 'sandbox-runner' },
    commandId: command.id,
    payload: { case: 'gap', value: { producer: command.id, ...range } },
  });
  expect(producer.state).toMatchObject({ position: 24, stdoutOffset: 21, stderrOffset: 3 });
  expect(await recoverProducer(deps, ref)).toMatchObject({ position: 24, stdoutOffset: 24, stderrOffset: 0 });
  await expect(publish(ref, killedAfter(6, 70), false)).rejects.toThrow(Killed);
  expect(await recoverProducer(deps, ref)).toMatchObject({ position: 26, stdoutOffset: 17, stderrOffset: 9 });
  await publish(ref, killedAfter(frames.length, 0), false);
  expect(told(await stored(ref))).toBe(expectedText);
});

test('where nothing of the end was kept the gap reaches to the totals', async () => {
  const ref = newRef();
  const noTail = async function* () {
    yield* frames.slice(0, 5);
    yield end;
  };
  await publish(ref, noTail(), true);
  expect(told(await stored(ref))).toBe('<commandQueued><commandStarted>abcd012efg[10-36]<commandEnded>');
});
