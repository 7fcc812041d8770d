import { type KV, Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { untilDocument } from './document-wait.ts';

let scratch: Scratch;
let server: NatsServer;
let nats: NatsConnection;
let bucket: KV;
beforeAll(async () => {
  scratch = await makeScratch('document-wait');
  server = await startNatsServer(`${scratch.path}/nats`);
  nats = await connect({ servers: server.url });
  bucket = await new Kvm(nats).create('documents');
});
afterAll(async () => {
  await nats?.close();
  await server?.stop();
  await scratch?.remove();
});

interface Document {
  version: number;
  state: 'running' | 'ended';
}

const write = (key: string, document: Document) => bucket.put(key, JSON.stringify(document));
const isOver = ({ state }: Document) => state === 'ended';
const running: Document = { version: 1, state: 'running' };
const ended: Document = { version: 3, state: 'ended' };
const patience = { timeoutMs: 60_000, signal: new AbortController().signal };

test('a document is waited for until it is enough, also one that is so already', async () => {
  await write('a', running);
  const waiting = untilDocument(bucket, 'a', running, isOver, patience);
  await write('b', ended);
  await write('a', { version: 2, state: 'running' });
  await write('a', ended);
  expect(await waiting).toEqual(ended);
  expect(await untilDocument(bucket, 'a', running, isOver, patience)).toEqual(ended);
  const first = untilDocument<Document, undefined>(bucket, 'd', undefined, isOver, patience);
  await write('d', running);
  await write('d', ended);
  expect(await first).toEqual(ended);
  const none = untilDocument<Document, undefined>(bucket, 'e', undefined, isOver, { ...patience, timeoutMs: 50 });
  expect(await none).toBeUndefined();
});

test('when the time is over, or nobody waits any more, it is the newest that is known', async () => {
  await write('c', running);
  const described: Document = { version: 2, state: 'running' };
  expect(await untilDocument(bucket, 'c', described, isOver, { ...patience, timeoutMs: 50 })).toEqual(described);
  const stopping = new AbortController();
  const waiting = untilDocument(bucket, 'c', running, isOver, { ...patience, signal: stopping.signal });
  stopping.abort();
  expect(await waiting).toMatchObject({ state: 'running' });
});
