// The beginning of the thread that scans commits, each by its index: see context/index-thread.ts for the other side.

import type { KnownFinding, LocateInput, Located, ScanRepositoryResult } from '@worktrail/contract/scan-messages';
import { createCommitView } from '../context/commit-view.ts';
import type { PreparedIndex } from '../context/repository-context.ts';
import { openRepositoryObjects } from '../context/repository-objects.ts';
import { openNamedSegment, segmentNames } from '../context/segment-files.ts';
import { serveThread } from '../context/thread-serving.ts';
import { createCommitFiles } from './commit-files.ts';
import { locateEvidence } from './locate-evidence.ts';
import { digestOf } from './repository-digest.ts';
import { scanCommit } from './scan-commit.ts';

export type ScanRequest = { at: PreparedIndex } & (
  | { do: 'scan'; known: KnownFinding[] }
  | { do: 'locate'; claims: LocateInput['claims'] }
);

export type ScanAnswer = { do: 'scan'; result: ScanRepositoryResult } | { do: 'locate'; located: Located };

const tellEvery = 200;

serveThread(async (_, request, { signal, tell }): Promise<ScanAnswer> => {
  const { at, ...asked } = request as ScanRequest;
  const listed = await openRepositoryObjects(at.repository).listFiles(at.commit, signal);
  const segments = segmentNames(at.directory)
    .map((name) => openNamedSegment(at.directory, name))
    .filter((segment) => segment !== undefined);
  try {
    const view = createCommitView(listed, segments);
    let looked = 0;
    const files = createCommitFiles(view, () => {
      looked += 1;
      if (looked % tellEvery === 0) tell(looked);
    });
    if (asked.do === 'locate') return { do: 'locate', located: locateEvidence(files, asked.claims) };
    const isComplete = view.missing.length === 0;
    const result = {
      commit: at.commit,
      complete: isComplete,
      ...scanCommit(files, asked.known),
      digest: digestOf(files),
    };
    return { do: 'scan', result };
  } finally {
    for (const segment of segments) segment.close();
  }
});
