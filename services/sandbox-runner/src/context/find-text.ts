// Finds text: BM25, as a part of what the query could reach at most.

import { createBest } from './best.ts';
import { type Candidate, type Filter, pathsOf, placeOf } from './candidates.ts';
import type { CommitView } from './commit-view.ts';
import { chunkField, chunkFields } from './segment-format.ts';
import type { WeighedQuery } from './weighed-query.ts';

const k1 = 1.2;
const b = 0.75;

export function findText(view: CommitView, query: WeighedQuery, accepts: Filter, countMax: number): Candidate[] {
  const best = createBest<{ segment: number; chunk: number }>(countMax);
  for (const [segmentNumber, { segment, firstPath }] of view.segments.entries()) {
    const { chunkTable } = segment.index;
    const scores = new Float64Array(chunkTable.length / chunkFields);
    for (const [term, weight] of query.weights) {
      const list = query.chunks.get(term)![segmentNumber]!;
      for (let at = 0; at < list.length; at += 2) {
        const [chunk, count] = [list[at]!, list[at + 1]!];
        const length = chunkTable[chunk * chunkFields + chunkField.terms]! / view.termsPerChunk;
        scores[chunk]! += (weight * count * (k1 + 1)) / (count + k1 * (1 - b + b * length));
      }
    }
    for (let chunk = 0; chunk < scores.length; chunk++) {
      const score = scores[chunk]!;
      if (score === 0) continue;
      const field = (which: number) => chunkTable[chunk * chunkFields + which]!;
      const first = firstPath[field(chunkField.file)]!;
      const place = placeOf(first, field(chunkField.firstLine));
      if (!best.takes(score, place) || pathsOf(view, first, accepts).length === 0) continue;
      best.add(score, place, { segment: segmentNumber, chunk });
    }
  }
  const most = query.total * (k1 + 1);
  return best.list().flatMap(({ score, value: { segment, chunk } }) => {
    const { segment: of, firstPath } = view.segments[segment]!;
    const [file = 0, first = 0, last = 0] = of.index.chunkTable.subarray(
      chunk * chunkFields,
      (chunk + 1) * chunkFields,
    );
    return pathsOf(view, firstPath[file]!, accepts).map((path): Candidate => {
      return { kind: 'text', score: score / most, path, lines: { first, last } };
    });
  });
}
