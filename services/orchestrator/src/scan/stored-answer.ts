// What a model has answered a scan, stored before the call of it is over: an attempt that follows finds it, and does not ask again.
//
// 1. It is of one scan, and of that alone. The next one asks anew.
// 2. It is there until the scan is over; of a project that has been deleted meanwhile nothing is left.

import type { KV } from '@nats-io/kv';
import { scanAnswerKey } from '@worktrail/contract/suggestions';
import { readDocument } from '@worktrail/runtime/buckets';
import type { ProjectRef } from './suggestion-store.ts';

export interface ScanRef extends ProjectRef {
  /** When it began: of a project's scans no two begin at the same time. */
  startedAt: string;
}

interface StoredAnswer<T> {
  startedAt: string;
  answer: T;
}

export async function answeredOnce<T>(
  bucket: KV,
  { organizationId, projectId, startedAt }: ScanRef,
  ask: () => Promise<T>,
): Promise<T> {
  const key = scanAnswerKey(organizationId, projectId);
  const stored = await readDocument<StoredAnswer<T>>(bucket, key);
  if (stored?.value.startedAt === startedAt) return stored.value.answer;
  const answer = await ask();
  await bucket.put(key, JSON.stringify({ startedAt, answer } satisfies StoredAnswer<T>));
  return answer;
}

export async function forgetAnswer(bucket: KV, { organizationId, projectId }: ProjectRef): Promise<void> {
  await bucket.delete(scanAnswerKey(organizationId, projectId));
}
