// What a model is told of a repository: its files by name, its directories where there are too many, and its README.

import type { RepositoryDigest } from '@worktrail/contract/scan-messages';
import type { CommitFiles } from './scan-commit.ts';
import { plainText } from '@worktrail/runtime/plain-text';

const filesListedMax = 400;
const treeLengthMax = 12_000;
const readmeLengthMax = 8_000;

export function digestOf(files: CommitFiles): RepositoryDigest {
  let readme: RepositoryDigest['readme'] = null;
  files.forEach(
    ({ path, lines }) => {
      readme ??= { path, text: plainText(lines.join('\n'), readmeLengthMax) };
    },
    (path) => /^readme(?:\.[a-z]+)?$/i.test(path),
  );
  return { files: files.paths.length, tree: plainText(treeLines(files.paths).join('\n'), treeLengthMax), readme };
}

export function treeLines(paths: readonly string[]): string[] {
  if (paths.length <= filesListedMax) return [...paths];
  for (let depth = 8; depth > 1; depth--) {
    const counts = countBy(paths, (path) => path.split('/').slice(0, depth).join('/'));
    if (counts.size <= filesListedMax) return shown(counts);
  }
  return shown(countBy(paths, (path) => path.split('/')[0]!)).slice(0, filesListedMax);
}

function countBy(paths: readonly string[], keyOf: (path: string) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) counts.set(keyOf(path), (counts.get(keyOf(path)) ?? 0) + 1);
  return counts;
}

function shown(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].map(([path, count]) => (count === 1 ? path : `${path}/ (${count} files)`));
}
