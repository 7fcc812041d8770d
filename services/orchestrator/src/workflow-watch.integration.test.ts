import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { makeScratch } from '@worktrail/testing/scratch';
import { startTemporalServer } from '@worktrail/testing/temporal-server';
import { expect, it } from 'vitest';
import { WatchedWorker } from './workflow-watch.ts';

class ImpatientWorker extends WatchedWorker {
  protected static override readonly stuckAfterSeconds = 5;
}

it('a worker whose workflow code keeps the thread ends, and says who waits for it; one that computes for a moment does not', async () => {
  await using scratch = await makeScratch('watch');
  const temporal = await startTemporalServer(join(scratch.path, 'temporal'));
  const native = await NativeConnection.connect({ address: temporal.address });
  const connection = await Connection.connect({ address: temporal.address });
  try {
    const workflowsPath = new URL('../test/workflow-that-computes.ts', import.meta.url).pathname;
    const worker = await ImpatientWorker.create({ connection: native, taskQueue: 'watch', workflowsPath });
    const ended = worker.run();
    ended.catch(() => undefined);
    const { workflow } = new Client({ connection });
    const run = (workflowId: string, rounds: number) =>
      workflow.start('compute', { taskQueue: 'watch', workflowId, args: [rounds] });
    expect(await (await run('short', 1_000)).result()).toBe(499_500);
    await run('long', 3e10);
    await expect(ended).rejects.toThrow('workflow code keeps its thread; long waits for it');
  } finally {
    await connection.close();
    await native.close().catch(() => undefined);
    await temporal.stop();
  }
});
