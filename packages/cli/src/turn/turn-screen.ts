// A turn on the screen: the answer on stdout, what is said beside it on stderr; in a chat all of it is on stdout.

import type { WorktrailEvent } from '@worktrail/client';
import { type Screen, writeAll } from '../screen/screen.ts';
import { createTurnView } from './turn-view.ts';

export interface TurnScreenOptions {
  reasoning: boolean;
  /** Where what is beside the answer goes. */
  beside: 'stdout' | 'stderr';
}

/** A view of one turn. */
export function createTurnScreen(screen: Screen, options: TurnScreenOptions): (event: WorktrailEvent) => Promise<void> {
  const { stdout, stderr, style, isTerminal } = screen;
  const beside = options.beside === 'stdout' ? stdout : stderr;
  const view = createTurnView({ style, live: isTerminal, reasoning: options.reasoning });
  return async (event) => {
    for (const { kind, text } of view.show(event)) await writeAll(kind === 'answer' ? stdout : beside, text);
  };
}
