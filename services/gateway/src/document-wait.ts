// Waiting until a document says what is waited for.

import type { KV } from '@nats-io/kv';
import { callTimeoutsMs, within } from './deadline.ts';
import type { Followers } from './followers.ts';

export interface DocumentWait {
  timeoutMs: number;
  signal: AbortSignal;
}

/** The first document that is enough, or the newest that is known when the time is over or the signal says so. */
export async function untilDocument<T extends { version: number }, Known extends T | undefined = T>(
  bucket: KV,
  key: string,
  known: Known,
  isEnough: (document: T) => boolean,
  { timeoutMs, signal }: DocumentWait,
): Promise<T | Known> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const watch = await within('nats', callTimeoutsMs.nats, () => bucket.watch({ key }));
  const stop = () => watch.stop();
  ended.addEventListener('abort', stop, { once: true });
  if (ended.aborted) stop();
  let last: T | Known = known;
  try {
    for await (const entry of watch) {
      if (entry.operation !== 'PUT') continue;
      const document = entry.json<T>();
      if (!last || document.version > last.version) last = document;
      if (isEnough(document)) break;
    }
  } finally {
    ended.removeEventListener('abort', stop);
    stop();
  }
  return last;
}

/** A request that waits: one of those that are bounded in number, until it or the gateway ends. @throws rate_limited */
export async function asWaiter<T>(
  { followers, stopping }: { followers: Followers; stopping: AbortSignal },
  organizationId: string,
  { seconds, signal }: { seconds: number; signal: AbortSignal },
  until: (wait: DocumentWait) => Promise<T>,
): Promise<T> {
  const end = followers.admit('waiters', organizationId);
  try {
    return await until({ timeoutMs: seconds * 1_000, signal: AbortSignal.any([signal, stopping]) });
  } finally {
    end();
  }
}
