// The least that a durable command can cost on this machine, as a limit to hold ours against: Temporal's update, an activity on a
// queue of its own that does nothing, its result. No sandbox, no output, no events, no API.

import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { type durableFloor, runUpdate } from './durable-floor-workflow.ts';

const workflowQueue = 'bench-floor';
const activityQueue = 'bench-floor-host';

export interface DurableFloor {
  /** Answers how to run one command in each of `count` workflows. */
  start(count: number): Promise<(() => Promise<void>)[]>;
  stop(): Promise<void>;
}

export async function startDurableFloor(address: string): Promise<DurableFloor> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const native = await NativeConnection.connect({ address });
  const workflows = await Worker.create({
    connection: native,
    taskQueue: workflowQueue,
    workflowsPath: fileURLToPath(new URL('./durable-floor-workflow.ts', import.meta.url)),
    maxConcurrentWorkflowTaskExecutions: 120,
    workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 20 },
  });
  const activities = await Worker.create({
    connection: native,
    taskQueue: activityQueue,
    activities: { run: async (command: string) => command },
  });
  const running = Promise.all([workflows.run(), activities.run()]);
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  return {
    start: (count) => Promise.all(Array.from({ length: count }, (_, index) => startWorkflow(client, index))),
    stop: async () => {
      workflows.shutdown();
      activities.shutdown();
      await running;
      await connection.close();
      await native.close();
    },
  };
}

async function startWorkflow(client: Client, index: number): Promise<() => Promise<void>> {
  const handle = await client.workflow.start<typeof durableFloor>('durableFloor', {
    taskQueue: workflowQueue,
    workflowId: `bench-floor:${index}`,
    args: [activityQueue],
  });
  return async () => {
    const answer = await handle.executeUpdate(runUpdate, { args: ['echo hi'] });
    if (answer !== 'echo hi') throw new Error(`the activity answered ${answer}`);
  };
}
