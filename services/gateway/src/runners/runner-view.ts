// The runners that are alive: their announcements, which vanish when they are not renewed.

import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type { RunnerDocument } from '@worktrail/contract/documents';
import { buckets } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import { callTimeoutsMs, unavailable, within } from '../deadline.ts';

export interface RunnerView {
  list(): Promise<RunnerDocument[]>;
  /** @throws dependency_unavailable when no runner is alive, as known for at most a second. */
  checkPresent(): Promise<void>;
}

const presenceMaxAgeMs = 1_000;

export function createRunnerView(connection: NatsConnection): RunnerView {
  let presence: { count: number; atMs: number } | undefined;
  const list = async () => {
    const documents = await within('nats', callTimeoutsMs.nats, () => readAll(connection));
    presence = { count: documents.length, atMs: Date.now() };
    return documents;
  };
  return {
    list,
    async checkPresent() {
      const isFresh = presence && presence.count > 0 && Date.now() - presence.atMs < presenceMaxAgeMs;
      if (isFresh || (await list()).length > 0) return;
      throw unavailable('sandbox-runner', 'no runner is alive');
    },
  };
}

/** The runners make the bucket; until the first has come there is none. */
async function readAll(connection: NatsConnection): Promise<RunnerDocument[]> {
  try {
    const bucket = await new Kvm(connection).open(buckets.runners);
    const keys: string[] = [];
    for await (const key of await bucket.keys()) keys.push(key);
    const documents = await Promise.all(keys.map((key) => readDocument<RunnerDocument>(bucket, key)));
    return documents.flatMap((document) => (document ? [document.value] : []));
  } catch (error) {
    if (/(stream|bucket) not found/i.test(String(error))) return [];
    throw error;
  }
}
