// A query's terms by how much finding each says in a commit, and the chunks that have them.

import { termsOf, wordsOf } from './code-tokens.ts';
import type { CommitView } from './commit-view.ts';
import { forEachPosting } from './postings.ts';
import { chunkField, chunkFields } from './segment-format.ts';

export interface WeighedQuery {
  text: string;
  /** Names in it as they were written. */
  identifiers: { name: string; terms: string[]; words: string[] }[];
  /** By term: how much finding it says. */
  weights: Map<string, number>;
  total: number;
  /** By term and segment: the commit's chunks that have it, each followed by how often. */
  chunks: Map<string, number[][]>;
}

const termsMax = 32;
const identifiersMax = 8;

export function weigh(view: CommitView, text: string): WeighedQuery {
  const terms = [...new Set(termsOf(text))].slice(0, termsMax);
  const weights = new Map<string, number>();
  const chunks: WeighedQuery['chunks'] = new Map();
  let total = 0;
  for (const term of terms) {
    const bytes = Buffer.from(term);
    let count = 0;
    const lists = view.segments.map(({ segment, firstPath }) => {
      const { chunkTable, terms: postings } = segment.index;
      const list: number[] = [];
      forEachPosting(postings, bytes, (chunk, times) => {
        if (firstPath[chunkTable[chunk * chunkFields + chunkField.file]!]! >= 0) list.push(chunk, times);
      });
      count += list.length / 2;
      return list;
    });
    const weight = Math.log(1 + (view.chunks - count + 0.5) / (count + 0.5));
    weights.set(term, weight);
    chunks.set(term, lists);
    total += weight;
  }
  const names = (text.match(/[\p{L}\p{N}_$]+/gu) ?? []).slice(0, identifiersMax);
  const identifiers = names.map((name) => ({ name, terms: termsOf(name), words: wordsOf(name) }));
  return { text: text.trim(), identifiers, weights, total, chunks };
}

/** Of the query's weight. */
export function shareOf(query: WeighedQuery, terms: readonly string[]): number {
  if (query.total === 0) return query.identifiers.length === 1 ? 1 : 0;
  return new Set(terms).values().reduce((sum, term) => sum + (query.weights.get(term) ?? 0), 0) / query.total;
}
