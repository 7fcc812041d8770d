// The log of attempts to deliver: a stream that keeps the newest of each webhook.

import { DiscardPolicy, type JetStreamClient, type JetStreamManager, RetentionPolicy } from '@nats-io/jetstream';
import * as contract from '@worktrail/contract/webhooks';

const bytesMax = 256 * 1024 * 1024;

/** Made where it is missing. */
export async function ensureDeliveryStream(jsm: JetStreamManager): Promise<void> {
  await jsm.streams.add({
    name: contract.deliveryStream,
    subjects: [contract.deliverySubjects],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    allow_direct: true,
    max_msgs_per_subject: contract.deliveriesKeptMax,
    max_age: contract.deliveriesKeptMs * 1_000_000,
    max_bytes: bytesMax,
  });
}

export async function logDelivery(
  js: JetStreamClient,
  { organizationId, webhookId }: { organizationId: string; webhookId: string },
  record: contract.DeliveryRecord,
): Promise<void> {
  await js.publish(contract.deliverySubject(organizationId, webhookId), JSON.stringify(record));
}
