// Documents in NATS key-value buckets: JSON, compare-and-set by revision, newest version wins.

import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';

export interface Stored<T> {
  value: T;
  /** For compare-and-set and ETag. */
  revision: number;
}

/** Makes the bucket where it is missing. `ttlMs`: entries vanish so long after their last write. */
export async function openBucket(
  connection: NatsConnection,
  name: string,
  options: { ttlMs?: number } = {},
): Promise<KV> {
  return await new Kvm(connection).create(name, { history: 1, ...(options.ttlMs && { ttl: options.ttlMs }) });
}

export async function readDocument<T>(bucket: KV, key: string): Promise<Stored<T> | undefined> {
  const entry = await bucket.get(key);
  if (!entry || entry.operation !== 'PUT') return undefined;
  return { value: entry.json<T>(), revision: entry.revision };
}

/** Only where the key does not exist. False when it does. */
export async function createDocument(bucket: KV, key: string, value: unknown): Promise<boolean> {
  try {
    await bucket.create(key, JSON.stringify(value));
    return true;
  } catch (error) {
    if (isWrongRevision(error)) return false;
    throw error;
  }
}

/** Only where the key still has this revision. Returns the new revision, undefined when it has another. */
export async function replaceDocument(
  bucket: KV,
  key: string,
  value: unknown,
  revision: number,
): Promise<number | undefined> {
  try {
    return await bucket.update(key, JSON.stringify(value), revision);
  } catch (error) {
    if (isWrongRevision(error)) return undefined;
    throw error;
  }
}

/** Writes a versioned document; where a newer version (or the same) is stored already, nothing happens. */
export async function putVersioned(bucket: KV, key: string, document: { version: number }): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const stored = await readDocument<{ version: number }>(bucket, key);
    if (!stored) {
      if (await createDocument(bucket, key, document)) return;
    } else {
      if (stored.value.version >= document.version) return;
      if ((await replaceDocument(bucket, key, document, stored.revision)) !== undefined) return;
    }
  }
  throw new Error(`document ${key} is being written by too many writers at once`);
}

function isWrongRevision(error: unknown): boolean {
  return /wrong last sequence/i.test(String((error as Error)?.message ?? error));
}
