// What this runner was told to do: its order, as the bucket of orders has it now.
//
// The first value is known before it resolves. A broken watch is begun again; until then the last order counts.

import { setTimeout as delay } from 'node:timers/promises';
import type { KV } from '@nats-io/kv';
import type { RunnerOrder } from '@worktrail/contract/documents';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import { readDocument } from '@worktrail/runtime/buckets';

const watchAgainMs = 1_000;

export interface FollowedOrder {
  isDraining(): boolean;
}

export async function followRunnerOrder(
  orders: KV,
  runnerId: string,
  onChange: () => void,
  lifetime: Lifetime,
  log: Logger,
): Promise<FollowedOrder> {
  let draining = false;
  let closed = false;
  let watch: Awaited<ReturnType<KV['watch']>> | undefined;
  const take = (order: RunnerOrder | undefined) => {
    const before = draining;
    draining = order?.draining === true;
    if (draining === before) return;
    log.info({ draining, by: order?.by }, draining ? 'told to drain' : 'told to take sessions again');
    onChange();
  };
  const stored = await readDocument<RunnerOrder>(orders, runnerId);
  draining = stored?.value.draining === true;
  const follow = async (): Promise<void> => {
    watch = await orders.watch({ key: runnerId });
    for await (const entry of watch) take(entry.operation === 'PUT' ? entry.json<RunnerOrder>() : undefined);
  };
  const keepFollowing = async (): Promise<void> => {
    while (!closed) {
      await follow().catch((err: unknown) => {
        if (!closed) log.warn({ err }, 'the order of this runner could not be followed');
      });
      await delay(watchAgainMs, undefined, { signal: lifetime.signal }).catch(() => undefined);
    }
  };
  void keepFollowing();
  lifetime.onClose('runner order', () => {
    closed = true;
    watch?.stop();
  });
  return { isDraining: () => draining };
}
