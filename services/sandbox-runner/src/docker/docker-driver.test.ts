import { createServer } from 'node:http';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, onTestFinished, test } from 'vitest';
import { createDockerDriver } from './docker-driver.ts';

test('exits are asked for again until what may have been missed was found out', async () => {
  const scratch = await makeScratch('docker-driver');
  const socketPath = join(scratch.path, 'docker.sock');
  // Of the engine: answers that events will come, and sends none.
  const engine = createServer((_request, response) => response.writeHead(200).flushHeaders());
  await new Promise<void>((resolve) => engine.listen(socketPath, resolve));
  const controller = new AbortController();
  onTestFinished(async () => {
    controller.abort();
    engine.closeAllConnections();
    await new Promise((resolve) => engine.close(resolve));
    await scratch.remove();
  });
  const driver = createDockerDriver({
    socketPath,
    supervisorPath: '',
    control: 'fifo',
    startsAtOnceMax: 1,
    clusterId: 'test',
    runnerId: 'run-test',
  });
  let asked = 0;
  await new Promise<void>((resolve) => {
    const onResync = async () => {
      asked += 1;
      if (asked < 3) throw new Error('the engine is away again');
      resolve();
    };
    driver.watchExits({ onExit: () => undefined, onResync }, controller.signal);
  });
  expect(asked).toBe(3);
});
