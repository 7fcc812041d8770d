// Every document of a bucket once, as it was when it was read: at most `documentsMax` of them, and never for longer than `silenceMsMax`
// without another one. For buckets whose entries do not vanish by themselves.

import type { KV } from '@nats-io/kv';

const documentsMax = 200_000;
const silenceMsMax = 10_000;

/** `pick`: what is kept of each. @throws when there are more, or not all of them came. */
export async function readAllDocuments<T, U>(bucket: KV, pick: (document: T, key: string) => U): Promise<U[]> {
  const { values } = await bucket.status();
  if (values > documentsMax) throw new Error(`there are ${values} documents, more than ${documentsMax}`);
  const found: U[] = [];
  if (values === 0) return found;
  const entries = await bucket.watch();
  const silence = setTimeout(() => entries.stop(), silenceMsMax);
  try {
    for await (const entry of entries) {
      silence.refresh();
      if (entry.operation === 'PUT') found.push(pick(entry.json<T>(), entry.key));
      if (entry.isUpdate) return found;
    }
  } finally {
    clearTimeout(silence);
    entries.stop();
  }
  throw new Error('not all documents could be read');
}
