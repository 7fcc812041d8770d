// All that a scan of a commit finds, of files that are looked at twice, one after the other.

import { type Finding, suggestionKinds, suggestionLimits, type SuggestionKind } from '@worktrail/contract/suggestions';
import type { KnownFinding, ScanRepositoryResult } from '@worktrail/contract/scan-messages';
import { largeFunctionsOf } from './large-functions.ts';
import { createMissingTests } from './missing-tests.ts';
import { createOutdatedDocs } from './outdated-docs.ts';
import type { ScannedFile } from './scanned-file.ts';
import { todosOf } from './todos.ts';

export interface CommitFiles {
  /** All of the commit, also those that are not looked at. */
  paths: readonly string[];
  /** `isWanted`: of those with such a path; by default all. */
  forEach(take: (file: ScannedFile) => void, isWanted?: (path: string) => boolean): void;
}

const findingsMax = 100_000;

export function scanCommit(
  files: CommitFiles,
  known: readonly KnownFinding[],
): Pick<ScanRepositoryResult, 'findings' | 'seen' | 'left'> {
  const tests = createMissingTests();
  const docs = createOutdatedDocs(files.paths);
  const found: Finding[] = [];
  const add = (findings: readonly Finding[]) => {
    if (found.length < findingsMax) found.push(...findings);
  };
  files.forEach((file) => {
    add(todosOf(file));
    add(largeFunctionsOf(file));
    tests.see(file);
    docs.see(file);
  });
  files.forEach((file) => {
    tests.look(file);
    docs.look(file);
  });
  for (const one of tests.findings()) found.push(one);
  for (const one of docs.findings()) found.push(one);
  const paths = new Set(files.paths);
  // What a model has said is not found again: it stands as long as its file does.
  const told = known.filter(({ kind, path }) => kind === 'model' && paths.has(path)).map((one) => one.fingerprint);
  return { ...chooseFindings(found, known), seen: [...seenOf(found, known), ...told] };
}

function seenOf(found: readonly Finding[], known: readonly KnownFinding[]): string[] {
  const there = new Set(found.map(({ fingerprint }) => fingerprint));
  return known.filter(({ fingerprint }) => there.has(fingerprint)).map(({ fingerprint }) => fingerprint);
}

/**
 * Those that are open, as they are now, and the best of those that are new or have come back, so many that no kind has more than
 * `perKindMax` open; all of it bounded in bytes. What was accepted or dismissed is none of it.
 */
export function chooseFindings(found: readonly Finding[], known: readonly KnownFinding[]) {
  const states = new Map(known.map(({ fingerprint, state }) => [fingerprint, state]));
  const unique = [...new Map(found.toReversed().map((one) => [one.fingerprint, one])).values()];
  const findings: Finding[] = [];
  let bytes = 0;
  const left: Partial<Record<SuggestionKind, number>> = {};
  for (const kind of suggestionKinds) {
    const ofKind = unique.filter((one) => one.kind === kind);
    const open = ofKind.filter(({ fingerprint }) => states.get(fingerprint) === 'open');
    const news = ofKind
      .filter(({ fingerprint }) => [undefined, 'resolved'].includes(states.get(fingerprint)))
      .toSorted(byWorth);
    const room = Math.max(0, suggestionLimits.perKindMax - open.length);
    for (const [index, one] of [...open, ...news].entries()) {
      const isNew = index >= open.length;
      const withIt = bytes + Buffer.byteLength(JSON.stringify(one));
      if (withIt <= suggestionLimits.findingsBytesMax && index < open.length + room) {
        findings.push(one);
        bytes = withIt;
      } else if (isNew) left[kind] = (left[kind] ?? 0) + 1;
    }
  }
  return { findings, left };
}

export function byWorth(one: Finding, two: Finding): number {
  return two.score - one.score || (one.fingerprint < two.fingerprint ? -1 : 1);
}
