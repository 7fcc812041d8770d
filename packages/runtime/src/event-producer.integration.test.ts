import { fromBinary } from '@bufbuild/protobuf';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { newId } from '@worktrail/contract/ids';
import { eventStream, eventStreamSubjects, eventSubject } from '@worktrail/contract/subjects';
import { EventSchema, Stream } from '@worktrail/proto/event';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  appendDrafts,
  createProducer,
  createProducerMemory,
  type EventInit,
  newProducerState,
  type ProducerDeps,
  type ProducerRef,
  recoverBegunProducer,
  recoverProducer,
  StaleProducerError,
} from './event-producer.ts';
import { createLogger } from './log.ts';

let scratch: Scratch;
let server: NatsServer;
let connection: NatsConnection;
let js: JetStreamClient;
let jsm: JetStreamManager;

beforeAll(async () => {
  scratch = await makeScratch('producer');
  server = await startNatsServer(scratch.path);
  connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  jsm = await jetstreamManager(connection);
  js = jetstream(connection, { timeout: 1_000 });
  await jsm.streams.add({ name: eventStream(0), subjects: [eventStreamSubjects(0).stored], discard: 'new' });
});

afterAll(async () => {
  await connection.close();
  await server.stop();
  await scratch.remove();
});

const log = createLogger({ service: 'test', level: 'silent' });

function deps(mark?: { number: bigint; ended?: boolean }): ProducerDeps {
  return {
    js,
    jsm,
    log,
    trace: {
      getProducerMark: async () => {
        if (!mark) throw new Error('the mark was asked for although the subject is not empty');
        return { stdoutOffset: 0n, stderrOffset: 0n, position: 0n, ended: false, ...mark } as never;
      },
    },
  };
}

function newRef(signal = new AbortController().signal): ProducerRef {
  return {
    organizationId: newId('organization'),
    projectId: newId('project'),
    sessionId: newId('session'),
    partition: 0,
    generation: 1,
    producer: newId('command'),
    signal,
  };
}

function output(stream: Stream, offset: number, position: number, text: string): EventInit {
  return {
    time: new Date(),
    actor: { kind: 'system', id: 'runner' },
    payload: {
      case: 'commandOutput',
      value: { stream, offset: BigInt(offset), position: BigInt(position), bytes: Buffer.from(text) },
    },
  };
}

async function numbersOf(ref: ProducerRef): Promise<number[]> {
  const numbers: number[] = [];
  const info = await jsm.streams.info(eventStream(0));
  for (let seq = info.state.first_seq; seq <= info.state.last_seq; seq++) {
    const message = await jsm.streams.getMessage(eventStream(0), { seq }).catch(() => null);
    if (message?.subject === eventSubject(ref, ref.producer)) {
      numbers.push(Number(fromBinary(EventSchema, message.data).number));
    }
  }
  return numbers;
}

test('a recovered producer knows number and offsets of both streams from the last message alone', async () => {
  const ref = newRef();
  const producer = createProducer(deps(), ref);
  await producer.append(output(Stream.STDOUT, 0, 0, 'four'));
  await producer.append(output(Stream.STDERR, 0, 4, 'sixsix'));
  expect(await recoverProducer(deps(), ref)).toEqual(producer.state);
  expect(producer.state).toMatchObject({ number: 2, stdoutOffset: 4, stderrOffset: 6, position: 10, ended: false });
});

test('a second writer that is behind is refused and changes nothing', async () => {
  const ref = newRef();
  const first = createProducer(deps(), ref);
  const second = createProducer(deps(), ref);
  await first.append(output(Stream.STDOUT, 0, 0, 'first'));
  await expect(second.append(output(Stream.STDOUT, 0, 0, 'other'))).rejects.toThrow(StaleProducerError);
  expect(await numbersOf(ref)).toEqual([1]);
});

test('after an end nothing is appended', async () => {
  const ref = newRef();
  const producer = createProducer(deps(), ref);
  await producer.append({
    time: new Date(),
    actor: { kind: 'system', id: 'runner' },
    payload: { case: 'commandEnded', value: { outcome: 1, stdoutBytes: 3n, stderrBytes: 2n } },
  });
  await expect(producer.append(output(Stream.STDOUT, 0, 0, 'late'))).rejects.toThrow(StaleProducerError);
  const late = createProducer(deps(), ref, await recoverProducer(deps(), ref));
  expect(late.state).toMatchObject({ ended: true, stdoutOffset: 3, stderrOffset: 2, position: 5 });
  await expect(late.append(output(Stream.STDOUT, 3, 5, 'late'))).rejects.toThrow(StaleProducerError);
});

test('a subject that was purged goes on from the mark of the trace-store', async () => {
  const ref = newRef();
  const producer = createProducer(deps({ number: 2n }), ref);
  await producer.append(output(Stream.STDOUT, 0, 0, 'a'));
  await producer.append(output(Stream.STDOUT, 1, 1, 'b'));
  await jsm.streams.purge(eventStream(0), { filter: eventSubject(ref, ref.producer) });
  await producer.append(output(Stream.STDOUT, 2, 2, 'c'));
  expect(await numbersOf(ref)).toEqual([3]);
  expect(producer.state).toMatchObject({ number: 3, position: 3 });
});

test('while nats-server is away appending waits, and every event is there once afterwards', async () => {
  const ref = newRef();
  const producer = createProducer(deps(), ref);
  await producer.append(output(Stream.STDOUT, 0, 0, '0'));
  await server.kill();
  const waiting = (async () => {
    for (let i = 1; i <= 20; i++) await producer.append(output(Stream.STDOUT, i, i, 'x'));
  })();
  await server.restart();
  await waiting;
  expect(await numbersOf(ref)).toEqual(Array.from({ length: 21 }, (_, i) => i + 1));
});

test('waiting for a stream that is away ends when the signal aborts', async () => {
  const controller = new AbortController();
  const ref = { ...newRef(controller.signal), partition: 7 };
  const producer = createProducer(deps(), ref);
  const refused = expect(producer.append(output(Stream.STDOUT, 0, 0, 'x'))).rejects.toThrow();
  controller.abort();
  await refused;
});

test('drafts of a workflow are appended once, whichever part of them was there before', async () => {
  const ref = { ...newRef(), producer: 'session' };
  const drafts = Array.from({ length: 5 }, (_, i) => ({
    number: i + 1,
    time: new Date(1_700_000_000_000 + i).toISOString(),
    actor: { kind: 'system' as const, id: 'session' },
    payload: { case: 'sessionBusy' as const, value: { commandId: `c${i}` } },
  }));
  await appendDrafts(deps(), ref, drafts.slice(0, 2), true);
  await appendDrafts(deps(), ref, drafts.slice(0, 4), true);
  await appendDrafts(deps(), ref, drafts.slice(2), true);
  await appendDrafts(deps(), ref, drafts.slice(2), false);
  expect(await numbersOf(ref)).toEqual([1, 2, 3, 4, 5]);
  await expect(appendDrafts(deps(), ref, [{ ...drafts[0]!, number: 7 }], true)).rejects.toThrow(/does not follow 5/);
  await jsm.streams.purge(eventStream(0), { filter: eventSubject(ref, ref.producer) });
  await appendDrafts(deps({ number: 5n }), ref, drafts, false);
  expect(await numbersOf(ref)).toEqual([]);
});

test('a workflow whose events the stream has lost goes on behind the hole, at its second try', async () => {
  const ref = { ...newRef(), producer: 'session' };
  const draft = (number: number) => ({
    number,
    time: new Date(1_700_000_000_000 + number).toISOString(),
    actor: { kind: 'system' as const, id: 'session' },
    payload: { case: 'sessionBusy' as const, value: { commandId: `c${number}` } },
  });
  await appendDrafts(deps(), ref, [1, 2, 3, 4].map(draft), true);
  for (let lost = 0; lost < 2; lost++) {
    const { sequence } = await recoverProducer(deps(), ref);
    await jsm.streams.deleteMessage(eventStream(0), sequence);
  }
  await expect(appendDrafts(deps(), ref, [draft(5)], true)).rejects.toThrow(/does not follow 2/);
  await appendDrafts(deps(), ref, [draft(5)], false);
  await appendDrafts(deps(), ref, [draft(6)], true);
  expect(await numbersOf(ref)).toEqual([1, 2, 5, 6]);
  await expect(appendDrafts(deps(), ref, [draft(7), draft(9)], false)).rejects.toThrow(/does not follow 7/);
});

test('what a process remembers of its producers spares it the reading, and is given up where another has written', async () => {
  const ref = { ...newRef(), producer: 'session' };
  const draft = (number: number) => ({
    number,
    time: new Date(1_700_000_000_000 + number).toISOString(),
    actor: { kind: 'system' as const, id: 'session' },
    payload: { case: 'sessionBusy' as const, value: { commandId: `c${number}` } },
  });
  let reads = 0;
  const streams = Object.create(jsm.streams) as JetStreamManager['streams'];
  streams.getMessage = (...args) => {
    reads += 1;
    return jsm.streams.getMessage(...args);
  };
  const counted = { ...deps(), jsm: Object.assign(Object.create(jsm) as JetStreamManager, { streams }) };
  const memory = createProducerMemory(10);
  for (const number of [1, 2, 3]) await appendDrafts(counted, ref, [draft(number)], true, memory);
  expect(reads).toBe(0);
  await appendDrafts(deps(), ref, [draft(4)], true);
  for (const number of [4, 5, 6]) await appendDrafts(counted, ref, [draft(number)], true, memory);
  expect(reads).toBeGreaterThan(0);
  expect(await numbersOf(ref)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a new producer state is never shared between producers', () => {
  const producer = createProducer(deps(), newRef());
  expect(producer.state).toEqual(newProducerState);
  expect(producer.state).not.toBe(newProducerState);
});

test('what another is about to begin is waited for, also where its begin has left the stream, and no longer than it is wanted', async () => {
  const ref = newRef();
  const begun = recoverBegunProducer(deps(), ref);
  const { sequence } = await createProducer(deps(), ref).append(output(Stream.STDOUT, 0, 0, 'one'));
  expect(await begun).toMatchObject({ number: 1, sequence });
  expect(await recoverBegunProducer(deps({ number: 1n }), newRef())).toMatchObject({ number: 1, sequence: 0 });
  const nobody = new AbortController();
  const never = recoverBegunProducer(deps({ number: 0n }), newRef(nobody.signal));
  nobody.abort(new Error('not wanted'));
  await expect(never).rejects.toThrow('not wanted');
});
