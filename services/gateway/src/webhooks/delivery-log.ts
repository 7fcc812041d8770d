// The log of attempts to deliver to a webhook, newest first. It has the newest thousand of each, so all of it is read.

import type { JetStreamManager } from '@nats-io/jetstream';
import {
  type DeliveryRecord,
  deliveriesKeptMax,
  deliveryStream,
  deliverySubject,
  type EventPlace,
} from '@worktrail/contract/webhooks';
import { callTimeoutsMs, within } from '../deadline.ts';

export interface DeliveryLog {
  /** `before`: the place in the log of the last one of the page before. */
  page(
    of: { organizationId: string; webhookId: string },
    options: { limit: number; before: number | undefined },
  ): Promise<{ records: DeliveryRecord[]; next: number | null }>;
  /** Of an event that was tried to be delivered. */
  placeOf(of: { organizationId: string; webhookId: string }, eventId: string): Promise<EventPlace | undefined>;
}

interface Entry {
  at: number;
  record: DeliveryRecord;
}

export function createDeliveryLog(jsm: JetStreamManager): DeliveryLog {
  async function entries(organizationId: string, webhookId: string): Promise<Entry[]> {
    return await within('nats', callTimeoutsMs.nats, async () => {
      const found: Entry[] = [];
      const asked = { seq: 1, next_by_subj: deliverySubject(organizationId, webhookId), batch: deliveriesKeptMax };
      for await (const message of await jsm.direct.getBatch(deliveryStream, asked)) {
        found.push({ at: message.seq, record: message.json<DeliveryRecord>() });
      }
      return found.reverse();
    });
  }
  return {
    page: async ({ organizationId, webhookId }, { limit, before }) => {
      const rest = (await entries(organizationId, webhookId)).filter(({ at }) => before === undefined || at < before);
      const page = rest.slice(0, limit);
      return { records: page.map(({ record }) => record), next: rest.length > limit ? page.at(-1)!.at : null };
    },
    placeOf: async ({ organizationId, webhookId }, eventId) =>
      (await entries(organizationId, webhookId)).find(({ record }) => record.place.eventId === eventId)?.record.place,
  };
}
