// The newest of a turn, read from a real stream: all of it, or nothing.

import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { newId } from '@worktrail/contract/ids';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import { eventStream, eventStreamSubjects, eventSubject, sessionProducer } from '@worktrail/contract/subjects';
import {
  createProducer,
  type EventPayloadInit,
  newProducerState,
  type Producer,
  type ProducerDeps,
} from '@worktrail/runtime/event-producer';
import { createLogger } from '@worktrail/runtime/log';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTurnTail } from './turn-tail.ts';

let scratch: Scratch;
let server: NatsServer;
let nats: NatsConnection;
let jsm: JetStreamManager;
let deps: ProducerDeps;
beforeAll(async () => {
  scratch = await makeScratch('turn-tail');
  server = await startNatsServer(`${scratch.path}/nats`);
  nats = await connect({ servers: server.url });
  jsm = await jetstreamManager(nats);
  await jsm.streams.add({ name: eventStream(0), subjects: [eventStreamSubjects(0).stored], allow_direct: true });
  const trace = { getProducerMark: async () => Promise.reject(new Error('nobody asks')) };
  deps = { js: jetstream(nats), jsm, trace, log: createLogger({ service: 'test', level: 'silent' }) };
});
afterAll(async () => {
  await nats?.close();
  await server?.stop();
  await scratch?.remove();
});

/** A session whose first turn is under way; a step is published by `step`, its tools' ends by `end`. */
async function turnUnderWay() {
  const ref: SandboxRef = {
    organizationId: newId('organization'),
    projectId: newId('project'),
    sessionId: newId('session'),
    partition: 0,
    generation: 1,
  };
  const turnId = newId('turn');
  const { signal } = new AbortController();
  const producers = new Map<string, Producer>();
  const publish = async (producer: string, payload: EventPayloadInit): Promise<number> => {
    const known = producers.get(producer) ?? createProducer(deps, { ...ref, producer, signal }, newProducerState);
    producers.set(producer, known);
    return (await known.append({ time: new Date(), actor: { kind: 'agent', id: 'm' }, turnId, payload })).sequence;
  };
  const own = (reason: string) => publish(sessionProducer, { case: 'sessionResuming', value: { reason } });
  const toolCallId = (step: number, index: number) => `${turnId}-${step}-${index}`;
  return {
    ref,
    own,
    start: { sequence: await own('before'), session: null },
    read: (step: number, since: Parameters<typeof readTurnTail>[3], open: string[] = []) =>
      readTurnTail(jsm, ref, { turnId, step }, since, open),
    endEarlier: (toolCallId: string) => publish(toolCallId, { case: 'toolEnded', value: { toolCallId } }),
    step: async (step: number, tools: number, deltas = 2) => {
      const messageId = `${turnId}-${step}`;
      for (let n = 0; n < deltas; n++)
        await publish(messageId, { case: 'messageAgentDelta', value: { messageId, text: `${n}`, attempt: 1 } });
      const toolCalls = Array.from({ length: tools }, (_, n) => ({ toolCallId: toolCallId(step, n), tool: 't' }));
      await publish(messageId, { case: 'messageAgent', value: { messageId, text: 'all', toolCalls } });
    },
    end: (step: number, index: number) =>
      publish(toolCallId(step, index), { case: 'toolEnded', value: { toolCallId: toolCallId(step, index) } }),
    subject: (step: number) => eventSubject(ref, `${turnId}-${step}`),
  };
}

const cases = (tail: Awaited<ReturnType<typeof readTurnTail>>) => tail?.events.map(({ payload }) => payload.case);
const deltas = ['messageAgentDelta', 'messageAgentDelta'];

test('a step, what its tools came to and what befell the session come in the order of the stream, each once', async () => {
  const turn = await turnUnderWay();
  await turn.step(1, 2);
  await turn.own('usage');
  await turn.end(1, 0);
  await turn.own('lost');
  await turn.end(1, 1);
  const first = await turn.read(1, turn.start);
  const tools = ['sessionResuming', 'toolEnded', 'sessionResuming', 'toolEnded'];
  expect(cases(first)).toEqual([...deltas, 'messageAgent', ...tools]);
  await turn.step(2, 0);
  const second = await turn.read(2, first!.position);
  expect(cases(second)).toEqual([...deltas, 'messageAgent']);
  await turn.own('again');
  await turn.step(3, 0, 0);
  expect(cases(await turn.read(3, second!.position))).toEqual(['sessionResuming', 'messageAgent']);
});

test('nothing is answered where a step, or the end of a tool, is not there yet', async () => {
  const turn = await turnUnderWay();
  expect(await turn.read(1, turn.start)).toBeUndefined();
  await turn.step(1, 2);
  await turn.end(1, 0);
  expect(await turn.read(1, turn.start)).toBeUndefined();
  await turn.end(1, 1);
  expect(await turn.read(1, turn.start)).toBeDefined();
});

test('the end of a use of a tool of an earlier turn comes with it, where it has come meanwhile', async () => {
  const turn = await turnUnderWay();
  await turn.step(1, 0, 0);
  const first = await turn.read(1, turn.start, ['earlier', 'given-up']);
  expect(cases(first)).toEqual(['messageAgent']);
  await turn.endEarlier('earlier');
  await turn.step(2, 0, 0);
  const second = await turn.read(2, first!.position, ['earlier', 'given-up']);
  expect(cases(second)).toEqual(['toolEnded', 'messageAgent']);
});

test('nothing is answered where something has left the stream', async () => {
  const turn = await turnUnderWay();
  await turn.step(1, 0);
  const known = await turn.read(1, turn.start);
  const lost = await turn.own('lost');
  await turn.own('seen');
  await turn.step(2, 0);
  await jsm.streams.deleteMessage(eventStream(0), lost);
  expect(await turn.read(2, known!.position)).toBeUndefined();
  const other = await turnUnderWay();
  await other.own('lost');
  await other.step(1, 0);
  const newest = await other.own('seen');
  await jsm.streams.purge(eventStream(0), { seq: newest });
  expect(await other.read(1, other.start)).toBeUndefined();
});
