// The state that a webhook's workflow is begun again with, kept outside of it.
//
// An attempt that is late may put an older one, from which nothing is missed, only more of it repeated; but never one of before a replay that
// was answered since.

import { isDeepStrictEqual } from 'node:util';
import type { KV } from '@nats-io/kv';
import { type WebhookSpec, webhookStateKey } from '@worktrail/contract/webhooks';
import { createDocument, readDocument, replaceDocument } from '@worktrail/runtime/buckets';

export async function keepState(configuration: KV, state: WebhookSpec): Promise<void> {
  const key = webhookStateKey(state.organizationId, state.webhookId);
  for (;;) {
    const stored = await readDocument<WebhookSpec>(configuration, key);
    if (!stored) {
      if (await createDocument(configuration, key, state)) return;
      continue;
    }
    // Of one to which nothing happens there is nothing new.
    if (isDeepStrictEqual(stored.value, state) || replaysOf(stored.value) > replaysOf(state)) return;
    if ((await replaceDocument(configuration, key, state, stored.revision)) !== undefined) return;
  }
}

function replaysOf({ replays = 0 }: WebhookSpec): number {
  return replays;
}
