// The log of attempts to deliver: a stream that keeps the newest of each webhook.

import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream';
import * as contract from '@worktrail/contract/webhooks';

const bytesMax = 256 * 1024 * 1024;

/** Made where it is missing, or brought to these bounds. */
export async function ensureDeliveryStream(jsm: JetStreamManager): Promise<void> {
  const wanted = {
    name: contract.deliveryStream,
    subjects: [contract.deliverySubjects],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    allow_direct: true,
    max_msgs_per_subject: contract.deliveriesKeptMax,
    max_age: contract.deliveriesKeptMs * 1_000_000,
    max_bytes: bytesMax,
  };
  const existing = await jsm.streams.info(wanted.name).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === 10059) return undefined;
    throw error;
  });
  if (existing) await jsm.streams.update(wanted.name, { ...existing.config, ...wanted });
  else await jsm.streams.add(wanted);
}

export async function logDelivery(
  js: JetStreamClient,
  { organizationId, webhookId }: { organizationId: string; webhookId: string },
  record: contract.DeliveryRecord,
): Promise<void> {
  await js.publish(contract.deliverySubject(organizationId, webhookId), JSON.stringify(record));
}
