import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLifetime, type Lifetime } from './lifetime.ts';
import { createLogger } from './log.ts';
import { connectNats } from './nats.ts';

/** Far beyond the time that a test may take: nothing here may wait for it. */
const timeout = 600_000;
const log = createLogger({ service: 'test', level: 'silent' });
let scratch: Scratch;
let server: NatsServer;
let lifetime: Lifetime;
let connection: NatsConnection;

beforeEach(async () => {
  scratch = await makeScratch('nats');
  server = await startNatsServer(scratch.path);
  lifetime = createLifetime(log);
  connection = await connectNats({ url: server.url, user: '', password: '' }, 'test', lifetime, log);
});

afterEach(async () => {
  await lifetime.close();
  await server.stop();
  await scratch.remove();
});

async function until(type: 'disconnect' | 'reconnect'): Promise<void> {
  for await (const status of connection.status()) if (status.type === type) return;
}

test('a request that was under way when the server died fails at once', async () => {
  const other = await connect({ servers: server.url, reconnect: false });
  const asked = Promise.withResolvers<void>();
  other.subscribe('silent', { callback: () => asked.resolve() });
  await other.flush();
  const failed = expect(connection.request('silent', '', { timeout })).rejects.toThrow('connection to NATS was lost');
  await asked.promise;
  await server.kill();
  await failed;
});

test('a request made while the server is away is answered when it is back', async () => {
  const jsm = await jetstreamManager(connection, { timeout });
  const gone = until('disconnect');
  await server.kill();
  await gone;
  const answer = jsm.getAccountInfo();
  await server.restart();
  expect(await answer).toMatchObject({ streams: 0 });
});

test('a request made while the server is away waits no longer than it may', async () => {
  const gone = until('disconnect');
  await server.kill();
  await gone;
  await expect(connection.request('anything', '', { timeout: 50 })).rejects.toThrow('timeout');
});
