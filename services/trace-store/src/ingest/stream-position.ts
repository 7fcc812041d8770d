// Where ingest stands in a stream: which incarnation it is, and the first sequence that is not stored.
//
// 1. An incarnation (epoch) is when the stream was created, unless the stream lost what was stored (its last sequence is below
//    the stored one) or its creation is older than what is stored: then it is one more than the stored epoch.
// 2. So a cursor handed out before never names another event later.

import type { Cursor } from '@worktrail/contract/cursor';

export interface StreamPosition {
  epoch: number;
  /** Everything up to here is stored. */
  storedSequence: number;
  /** The epoch has to be written to the stream's metadata before anything is stored under it. */
  declare: boolean;
}

export function streamPosition(epoch: number, lastSequence: number, stored: Cursor | undefined): StreamPosition {
  if (!stored || stored.epoch < epoch) return { epoch, storedSequence: 0, declare: false };
  const same = stored.epoch === epoch && lastSequence >= stored.sequence;
  if (same) return { epoch, storedSequence: stored.sequence, declare: false };
  return { epoch: stored.epoch + 1, storedSequence: 0, declare: true };
}
