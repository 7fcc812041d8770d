// What of a session waits for what: in one table, for whatever is done with its files or its sandbox.
//
// 1. What waits for a command, or is refused for one after a moment, does the same for an update from the default branch, which is git's work
//    in the sandbox. Commands, changes of files and checkpoints go together.
// 2. An update, a revert and a hibernation begin only in a session that nothing else is done with; a revert waits itself, once it has
//    begun, for the change of a file that is under way.

import type { SessionState } from './state.ts';

/** What a session may be busy with. */
export type Occupation = 'command' | 'revert' | 'fileChange' | 'update';

/** What may have to wait for it. `fork`: of the newest state. `checkpoint`: one that nobody has asked for. */
export type Occupying =
  | Occupation
  | 'checkpoint'
  | 'fork'
  | 'proposal'
  /** By itself too. */
  | 'hibernation'
  | 'archive';

const occupations = {
  command: ({ commands }) => commands.length > 0,
  revert: ({ reverting }) => reverting.plan !== null,
  fileChange: ({ changing }) => changing.asked.length > 0,
  update: ({ updating }) => updating !== null,
} as const satisfies Record<Occupation, (state: SessionState) => boolean>;

const all = ['command', 'revert', 'fileChange', 'update'] as const;
const table: Readonly<Record<Occupying, readonly Occupation[]>> = {
  command: ['revert', 'update'],
  fileChange: ['revert', 'update'],
  checkpoint: ['revert', 'update'],
  fork: ['revert', 'update'],
  proposal: ['command', 'revert', 'update'],
  revert: ['command', 'revert', 'update'],
  update: all,
  hibernation: all,
  archive: ['command', 'revert', 'update'],
};

/** What there is now that it has to wait for. */
export function waitsFor(what: Occupying, state: SessionState): Occupation[] {
  return table[what].filter((one) => occupations[one](state));
}
