// Finds files: by how much of the query their paths cover, and how exactly.

import { createBest } from './best.ts';
import type { Candidate, Filter } from './candidates.ts';
import { termsOf } from './code-tokens.ts';
import type { CommitView } from './commit-view.ts';
import { foldCase } from './segment-builder.ts';
import type { WeighedQuery } from './weighed-query.ts';

export function findFiles(view: CommitView, query: WeighedQuery, accepts: Filter, countMax: number): Candidate[] {
  const shares = new Map<number, number>();
  const paths = view.pathTerms();
  for (const [term, weight] of query.weights) {
    for (const path of paths.get(term) ?? []) shares.set(path, (shares.get(path) ?? 0) + weight / query.total);
  }
  const best = createBest<number>(countMax);
  for (const [path, share] of shares) {
    if (share < 0.3) continue;
    const score = scoreOfPath(view.files[path]!.path, query, share);
    if (best.takes(score, path) && accepts(path)) best.add(score, path, path);
  }
  return best.list().map(({ score, value: path }): Candidate => ({ kind: 'file', score, path, lines: null }));
}

function scoreOfPath(path: string, query: WeighedQuery, share: number): number {
  const asked = foldCase(query.text);
  const folded = foldCase(path);
  const name = folded.slice(folded.lastIndexOf('/') + 1);
  const stem = name.includes('.', 1) ? name.slice(0, name.indexOf('.', 1)) : name;
  if (folded === asked || name === asked || folded.endsWith(`/${asked}`)) return 0.98;
  if (stem === asked) return 0.9;
  const terms = new Set(termsOf(name));
  const matched = terms
    .values()
    .filter((term) => query.weights.has(term))
    .toArray().length;
  return share * (0.4 + 0.4 * (terms.size === 0 ? 0 : matched / terms.size));
}
