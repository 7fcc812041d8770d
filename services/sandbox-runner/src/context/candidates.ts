// What a search of a commit finds before the best of it are chosen, and which paths it is for.

import type { ContextHit, ContextKind } from '@worktrail/contract/context';
import type { CommitView } from './commit-view.ts';
import { pathMatcher } from './path-pattern.ts';

export interface Candidate {
  kind: ContextKind;
  score: number;
  /** In the view's files. */
  path: number;
  /** Of text: the chunk. Of a symbol: its definition. Of a file: none. */
  lines: { first: number; last: number } | null;
  symbol?: NonNullable<ContextHit['symbol']>;
}

/** Whether a file, by its number in the view, is wanted. */
export type Filter = (path: number) => boolean;

const pathsPerBlobMax = 3;

export function createFilter(
  view: CommitView,
  { path, language }: { path: string | null; language: string | null },
): Filter {
  const isWanted = path === null ? () => true : pathMatcher(path);
  const known = new Int8Array(view.files.length);
  return (number) => {
    if (known[number] === 0) {
      const isOne =
        isWanted(view.files[number]!.path) && (language === null || view.files[number]!.language === language);
      known[number] = isOne ? 1 : -1;
    }
    return known[number] === 1;
  };
}

/** Each path of a file that is wanted, a few at most. */
export function pathsOf(view: CommitView, first: number, accepts: Filter): number[] {
  const paths: number[] = [];
  for (let path = first; path >= 0 && paths.length < pathsPerBlobMax; path = view.nextPath[path]!) {
    if (accepts(path)) paths.push(path);
  }
  return paths;
}

/** In the commit, whichever segment has it. */
export function placeOf(path: number, line: number): number {
  return path * 2 ** 21 + line;
}
