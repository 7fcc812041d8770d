// Whether what somebody says of a commit can be seen there: the file and its lines. What a model says is known by the file and the definition
// around its first line, for it never says the same thing twice in the same words.

import type { LocateInput, Located } from '@worktrail/contract/scan-messages';
import { fingerprintOf } from '@worktrail/runtime/fingerprint';
import type { CommitFiles } from './scan-commit.ts';
import { evidenceOf } from './scanned-file.ts';

export function locateEvidence(files: CommitFiles, claims: LocateInput['claims']): Located {
  const paths = new Set(claims.map(({ path }) => path));
  const found: Located = claims.map(() => null);
  files.forEach(
    (file) => {
      for (const [index, { path, firstLine, lastLine }] of claims.entries()) {
        if (path !== file.path || firstLine < 1 || firstLine > lastLine || lastLine > file.lines.length) continue;
        const around = file.symbols
          .filter((one) => one.firstLine <= firstLine && firstLine <= one.lastLine)
          .toSorted((one, two) => two.firstLine - one.firstLine);
        const within = around[0]?.name ?? '';
        const fingerprint = fingerprintOf('model', path, within);
        found[index] = { evidence: evidenceOf(file, firstLine, lastLine), fingerprint };
      }
    },
    (path) => paths.has(path),
  );
  return found;
}
