// What administrators want of runners: one document for each runner that was ever told something, the newest order counts.

import type { KV } from '@nats-io/kv';
import type { RunnerOrder } from '@worktrail/contract/documents';
import { readDocument } from '@worktrail/runtime/buckets';
import { callTimeoutsMs, within } from '../deadline.ts';

export interface RunnerOrders {
  find(runnerId: string): Promise<RunnerOrder | undefined>;
  give(order: RunnerOrder): Promise<void>;
}

export function createRunnerOrders(bucket: KV): RunnerOrders {
  return {
    find: (runnerId) =>
      within('nats', callTimeoutsMs.nats, async () => (await readDocument<RunnerOrder>(bucket, runnerId))?.value),
    give: (order) =>
      within('nats', callTimeoutsMs.nats, async () => {
        await bucket.put(order.runnerId, JSON.stringify(order));
      }),
  };
}
