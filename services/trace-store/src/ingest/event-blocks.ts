// A batch as the blocks that are written for it: its events in the order of their cursors, with what fills their holes before them.
//
// 1. Whatever is written of a batch, all that stands before it in the order of cursors is written too.
// 2. A block has at most `blockBytesMax` of events and one more, however large a hole is that is being filled.

import type { ParsedEvent } from './parse-event.ts';
import type { Hole } from './plan-batch.ts';

export interface FilledHole {
  sessionId: string;
  producer: string;
  fromNumber: number;
  toNumber: number;
  /** Events that are there again. */
  backfilled: number;
  /** Numbers that a gap stands for. */
  missing: number;
}

export interface Block {
  events: ParsedEvent[];
  /** The holes that are filled with it. */
  holes: FilledHole[];
}

const blockBytesMax = 24 * 1024 * 1024;

export async function* eventBlocks(
  events: readonly ParsedEvent[],
  holes: ReadonlyMap<ParsedEvent, Hole>,
  fill: (hole: Hole) => AsyncIterable<ParsedEvent>,
): AsyncGenerator<Block, void, void> {
  let block: Block = { events: [], holes: [] };
  let bytes = 0;
  for (const event of events) {
    const hole = holes.get(event);
    if (hole) {
      let backfilled = 0;
      for await (const filling of fill(hole)) {
        if (bytes >= blockBytesMax) {
          yield block;
          block = { events: [], holes: [] };
          bytes = 0;
        }
        block.events.push(filling);
        bytes += filling.size;
        if (filling.type !== 'gap') backfilled++;
      }
      const { fromNumber, toNumber } = hole;
      const { sessionId, producer } = event.event;
      const missing = toNumber - fromNumber + 1 - backfilled;
      block.holes.push({ sessionId, producer, fromNumber, toNumber, backfilled, missing });
    }
    block.events.push(event);
    bytes += event.size;
  }
  if (block.events.length > 0) yield block;
}
