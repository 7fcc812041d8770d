import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type NatsServer, startNatsServer } from '@worktrail/testing/nats-server';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLifetime } from './lifetime.ts';
import { createLogger } from './log.ts';
import { answerHealth, askHealth } from './part-health.ts';

let scratch: Scratch;
let server: NatsServer;
let asking: NatsConnection;
let answering: NatsConnection;

beforeAll(async () => {
  scratch = await makeScratch('part-health');
  server = await startNatsServer(scratch.path);
  asking = await connect({ servers: server.url });
  answering = await connect({ servers: server.url });
});

afterAll(async () => {
  await asking.close();
  await answering.close();
  await server.stop();
  await scratch.remove();
});

const newLifetime = () => createLifetime(createLogger({ service: 'test', level: 'silent' }));

test('a part is well while one of its processes can do its work, and not when none is left', async () => {
  await expect(askHealth(asking, 'orchestrator')).rejects.toThrow(/answers for orchestrator$/);
  const idle = newLifetime();
  const working = newLifetime();
  answerHealth(answering, 'orchestrator', () => false, idle);
  answerHealth(answering, 'orchestrator', () => true, working);
  await answering.flush();
  await askHealth(asking, 'orchestrator');

  await working.close();
  await answering.flush();
  await expect(askHealth(asking, 'orchestrator', 50)).rejects.toThrow(/answers for orchestrator within 50 ms$/);
  await idle.close();
  await answering.flush();
  await expect(askHealth(asking, 'orchestrator')).rejects.toThrow(/answers for orchestrator$/);
});
