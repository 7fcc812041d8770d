// The key-value buckets of the gateway: some are its own, of some it reads what other services write.

import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { buckets } from '@worktrail/contract/subjects';
import { openBucket } from '@worktrail/runtime/buckets';
import { idempotencyTtlMs } from './idempotency.ts';

export interface GatewayBuckets {
  configuration: KV;
  sessions: KV;
  trials: KV;
  proposals: KV;
  runnerOrders: KV;
  idempotency: KV;
}

export async function openGatewayBuckets(nats: NatsConnection): Promise<GatewayBuckets> {
  return {
    configuration: await openBucket(nats, buckets.configuration),
    sessions: await openBucket(nats, buckets.sessions),
    trials: await openBucket(nats, buckets.trials),
    proposals: await openBucket(nats, buckets.proposals),
    runnerOrders: await openBucket(nats, buckets.runnerOrders),
    idempotency: await openBucket(nats, buckets.idempotency, { ttlMs: idempotencyTtlMs }),
  };
}
