// A session with nothing in it: each update runs one activity on another queue and answers with its result.

import { condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';

export const runUpdate = defineUpdate<string, [string]>('run');

export async function durableFloor(activityQueue: string): Promise<void> {
  const { run } = proxyActivities<{ run(command: string): Promise<string> }>({
    taskQueue: activityQueue,
    startToCloseTimeout: '1 minute',
  });
  setHandler(runUpdate, (command) => run(command));
  await condition(() => false);
}
