// What becomes of a project's suggestions when a scan has been made, decided from what is stored and what was found.
//
// 1. What was accepted or dismissed stays as it is, whatever is found.
// 2. What is open, of a kind that was looked for to the end, and was not found, is resolved; found again, it is open again.
// 3. A project remembers `perProjectMax` in all: what is resolved makes room first, then what was decided and is not there any more. What
//    finds no room is counted.
// 4. Planned anew after a part of it was done, it comes to the same.

import {
  type Finding,
  type SuggestionDocument,
  suggestionLimits,
  type SuggestionKind,
} from '@worktrail/contract/suggestions';

export interface Found {
  commit: string;
  findings: readonly Finding[];
  /** Fingerprints of known ones that are still so. */
  seen: readonly string[];
  /** Kinds that were looked for to the end. */
  kinds: readonly SuggestionKind[];
}

export interface SuggestionPlan {
  add: Finding[];
  /** As they are to be. */
  change: SuggestionDocument[];
  remove: SuggestionDocument[];
  notKept: number;
}

export function planSuggestions(
  stored: readonly SuggestionDocument[],
  { commit, findings, seen, kinds }: Found,
  now: string,
): SuggestionPlan {
  const found = new Map(findings.map((one) => [one.fingerprint, one]));
  const known = new Set(stored.map(({ fingerprint }) => fingerprint));
  const there = new Set([...found.keys(), ...seen]);
  const change: SuggestionDocument[] = [];
  for (const one of stored) {
    const newer = found.get(one.fingerprint);
    const isUndecided = one.state === 'open' || one.state === 'resolved';
    if (newer && isUndecided) change.push({ ...one, ...newer, state: 'open', commit, updatedAt: now });
    else if (one.state === 'open' && kinds.includes(one.kind) && !there.has(one.fingerprint))
      change.push({ ...one, state: 'resolved', commit, updatedAt: now });
  }
  const add = [...found.values()].filter(({ fingerprint }) => !known.has(fingerprint));
  const resolved = new Set(change.filter(({ state }) => state === 'resolved').map(({ id }) => id));
  const reopened = new Set(change.filter(({ state }) => state === 'open').map(({ id }) => id));
  const over = Math.max(0, stored.length + add.length - suggestionLimits.perProjectMax);
  const remove = stored
    .filter(({ id, state, fingerprint }) => {
      if (state === 'resolved' || resolved.has(id)) return !reopened.has(id);
      return state !== 'open' && !there.has(fingerprint);
    })
    .toSorted((one, two) => Number(isDecided(one)) - Number(isDecided(two)) || (one.updatedAt < two.updatedAt ? -1 : 1))
    .slice(0, over);
  const gone = new Set(remove.map(({ id }) => id));
  const kept = Math.max(0, suggestionLimits.perProjectMax - (stored.length - remove.length));
  return {
    add: add.slice(0, kept),
    change: change.filter(({ id }) => !gone.has(id)),
    remove,
    notKept: Math.max(0, add.length - kept),
  };
}

function isDecided({ state }: SuggestionDocument): boolean {
  return state === 'accepted' || state === 'dismissed';
}
