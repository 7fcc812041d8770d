// Organizations, principals, keys, projects, secrets, tasks: documents of the configuration bucket, compare-and-set by revision.
//
// 1. Every call is bounded; NATS away is `dependency_unavailable`.
// 2. A document that changes is listed by an entry `<list>.<id>` that is written once, before it: a list misses no document, also
//    not one that is being changed. An entry without its document is passed over.

import type { KV } from '@nats-io/kv';
import { WorktrailError } from '@worktrail/contract/errors';
import { createDocument, readDocument, replaceDocument, type Stored } from '@worktrail/runtime/buckets';
import { callTimeoutsMs, within } from './deadline.ts';
import { checkPrecondition } from './precondition.ts';
import { notFound } from './problem.ts';
import { type Page, pageOfIds } from './pagination.ts';

export interface ConfigurationStore {
  read<T>(key: string): Promise<Stored<T> | undefined>;
  /** Makes the document, or answers what is there already under this key. */
  create<T>(key: string, value: T, lists?: readonly string[]): Promise<Stored<T>>;
  /**
   * Makes of the newest document another one. With an If-Match, only of the one that it names.
   * @throws precondition_failed, not_found
   */
  change<T>(key: string, ifMatch: string | null, make: (value: T) => T): Promise<Stored<T>>;
  /** Whatever was there before. */
  put(key: string, value: unknown): Promise<void>;
  remove(key: string): Promise<void>;
  /** The last token of every key directly below a prefix. */
  names(prefix: string): Promise<string[]>;
  /** A page of documents that are named below `list`, newest first. */
  page<T>(
    list: string,
    documentKey: (id: string) => string,
    options: { limit: number; after: string | undefined },
  ): Promise<Page<Stored<T>>>;
}

/** Each one that fails is a change of someone else's. */
const changeAttemptsMax = 100;

export function createConfigurationStore(bucket: KV): ConfigurationStore {
  const bounded = <T>(call: () => Promise<T>) => within('nats', callTimeoutsMs.nats, call);
  const read = <T>(key: string) => bounded(() => readDocument<T>(bucket, key));
  const names = (prefix: string) => bounded(() => namesBelow(bucket, prefix));
  return {
    read,
    names,
    create: <T>(key: string, value: T, lists: readonly string[] = []) =>
      bounded(async () => {
        for (const list of lists) await createDocument(bucket, list, {});
        await createDocument(bucket, key, value);
        const stored = await readDocument<T>(bucket, key);
        if (!stored) throw new Error(`document ${key} has vanished`);
        return stored;
      }),
    change: <T>(key: string, ifMatch: string | null, make: (value: T) => T) =>
      bounded(async () => {
        for (let attempt = 0; attempt < changeAttemptsMax; attempt++) {
          const stored = await readDocument<T>(bucket, key);
          if (!stored) throw notFound(key.slice(key.lastIndexOf('.') + 1));
          checkPrecondition(ifMatch, stored.revision);
          const value = make(stored.value);
          const revision = await replaceDocument(bucket, key, value, stored.revision);
          if (revision !== undefined) return { value, revision };
        }
        throw new WorktrailError('rate_limited', 'the resource is being changed by many at once');
      }),
    put: (key, value) => bounded(async () => void (await bucket.put(key, JSON.stringify(value)))),
    remove: (key) => bounded(() => bucket.delete(key)),
    page: async <T>(list: string, documentKey: (id: string) => string, options: { limit: number; after?: string }) => {
      const { items: ids, nextCursor } = pageOfIds(await names(list), options.after, options.limit);
      const documents = await Promise.all(ids.map((id) => read<T>(documentKey(id))));
      return { items: documents.filter((document) => document !== undefined), nextCursor };
    },
  };
}

async function namesBelow(bucket: KV, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of await bucket.keys(`${prefix}.*`)) found.push(key.slice(prefix.length + 1));
  return found;
}
