// What must be true of files, forks and the main branch after a round. Pure.
//
// 1. A tree that the API says there is has the files that were written, unless a host was lost with them meanwhile.
// 2. A request for forks made as many sessions as it answered, and no other.
// 3. Main grew by the merges of the proposals that say so, each once, with the tree that was checked, and by nothing else.

import type { Proposal } from '@worktrail/client';
import { compareCursors, parseCursor } from '@worktrail/contract/cursor';
import type { Violation } from './checks.ts';
import type { Seen } from './followers.ts';
import type { Files } from './git-workload.ts';

export function checkFiles(what: string, expected: Files, observed: Files): Violation[] {
  const paths = [...new Set([...Object.keys(expected), ...Object.keys(observed)])];
  return paths.flatMap((path): Violation[] => {
    if (expected[path] === observed[path]) return [];
    if (observed[path] === undefined) return [{ kind: 'lost', what: `${what}: ${path} is not there` }];
    if (expected[path] === undefined) return [{ kind: 'differs', what: `${what}: ${path} is there` }];
    return [{ kind: 'differs', what: `${what}: ${path} has other content` }];
  });
}

/** Whether files were lost with a host after the one position of the history and before the other (by default: ever since). */
export function wasRestored(history: readonly Seen[], since: string, until?: string): boolean {
  const from = parseCursor(since)!;
  const to = until === undefined ? null : parseCursor(until)!;
  return history.some(({ type, cursor }) => {
    const at = parseCursor(cursor)!;
    return type === 'session.restored' && compareCursors(at, from) > 0 && (!to || compareCursors(at, to) < 0);
  });
}

/** `found`: all that there are. */
export function checkSessions(answered: readonly string[], found: readonly string[]): Violation[] {
  const lost = answered.filter((id) => !found.includes(id));
  const unknown = found.filter((id) => !answered.includes(id));
  return [
    ...lost.map((id): Violation => ({ kind: 'lost', what: `fork ${id} is not there` })),
    ...unknown.map((id): Violation => ({ kind: 'duplicate', what: `session ${id}, which nobody was told of` })),
  ];
}

/** A commit of the main branch. */
export interface Landed {
  commit: string;
  tree: string;
  /** By its trailer. */
  proposalId: string;
}

/** `landed`: on main since the round began. */
export function checkMain(proposals: readonly Proposal[], landed: readonly Landed[]): Violation[] {
  const problems: Violation[] = [];
  for (const { id, state, mergeCommit, candidateTree } of proposals) {
    const own = landed.filter(({ proposalId }) => proposalId === id);
    const [first] = own;
    if (own.length > 1) problems.push({ kind: 'duplicate', what: `${id} has landed ${own.length} times` });
    if (state === 'merged' && !first) problems.push({ kind: 'lost', what: `${id} says it is merged, and is not` });
    if (state !== 'merged' && first)
      problems.push({ kind: 'differs', what: `${id} says it is ${state}, and has landed` });
    if (state !== 'merged' || !first) continue;
    if (first.commit !== mergeCommit)
      problems.push({ kind: 'differs', what: `${id} names ${mergeCommit} as its merge` });
    if (first.tree !== candidateTree)
      problems.push({ kind: 'differs', what: `${id} has landed as another tree than was checked` });
  }
  const known = new Set(proposals.map(({ id }) => id));
  for (const { commit, proposalId } of landed)
    if (!known.has(proposalId)) problems.push({ kind: 'differs', what: `main has ${commit}, which nobody proposed` });
  return problems;
}
