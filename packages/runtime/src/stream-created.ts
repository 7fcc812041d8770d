// Which incarnation of a stream it is. One that was made again from a backup carries when it was created before, for as long as it is to be
// taken for the same: NATS gives it a new time.

import type { StreamInfo } from '@nats-io/jetstream';
import { streamCreatedMetadata, streamEpochMetadata } from '@worktrail/contract/subjects';

/** ms since 1970. */
export function streamCreatedMs({ created, config }: Pick<StreamInfo, 'created' | 'config'>): number {
  return Date.parse(config.metadata?.[streamCreatedMetadata] ?? created);
}

/** The epoch of its cursors: when it was created, or what was declared when it lost what was stored. */
export function streamEpoch(info: Pick<StreamInfo, 'created' | 'config'>): number {
  const declared = Number(info.config.metadata?.[streamEpochMetadata] ?? 0);
  return Math.max(streamCreatedMs(info), Number.isSafeInteger(declared) ? declared : 0);
}
