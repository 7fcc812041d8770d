// Every document of a bucket once, as it was when it was read. At most `documentsMax` of them.

import type { KV } from '@nats-io/kv';

const documentsMax = 200_000;

/** `pick`: what is kept of each. @throws when there are more. */
export async function readAllDocuments<T, U>(bucket: KV, pick: (document: T, key: string) => U): Promise<U[]> {
  const { values } = await bucket.status();
  if (values > documentsMax) throw new Error(`there are ${values} documents, more than ${documentsMax}`);
  const found: U[] = [];
  if (values === 0) return found;
  const entries = await bucket.watch();
  try {
    for await (const entry of entries) {
      if (entry.operation === 'PUT') found.push(pick(entry.json<T>(), entry.key));
      if (entry.delta === 0 || entry.isUpdate) break;
    }
  } finally {
    entries.stop();
  }
  return found;
}
