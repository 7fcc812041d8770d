// What who stores tells to who goes on with what is stored.

import type { Cursor } from '@worktrail/contract/cursor';
import type { ParsedEvent } from './parse-event.ts';

export interface StoredEvents {
  /** Of a partition everything up to `position` is stored, some of it perhaps unnoticed. */
  opened(partition: number, position: Cursor | undefined): void;
  /** A block is stored. */
  stored(partition: number, epoch: number, events: readonly ParsedEvent[]): void;
}
