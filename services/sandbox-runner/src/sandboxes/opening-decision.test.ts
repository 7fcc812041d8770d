import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RestorePoint, SessionArchive } from '@worktrail/contract/checkpoints';
import { decideOpening, type Opening, type RecordedFiles } from './opening-decision.ts';

const artifact = { name: 'a', sha256: '0'.repeat(64), bytes: 1 };
const archiveOf = (kind: 'whole' | 'persist'): SessionArchive => ({ kind, artifact, notKept: [] });
const checkpoint = { id: 'chk', number: 1, commit: 'c', tree: 't' };

const generation = fc.integer({ min: 0, max: 4 });
const restores: fc.Arbitrary<RestorePoint | null> = fc.option(
  fc.record({
    baseCommit: fc.constant('b'),
    checkpoint: fc.constantFrom(null, checkpoint),
    bundles: fc.constant([]),
    archive: fc.constantFrom(null, archiveOf('whole'), archiveOf('persist')),
  }),
);
const records: fc.Arbitrary<RecordedFiles | undefined> = fc.option(
  fc.record({ workspaceReady: fc.boolean(), filesGeneration: generation, filesGenerationBefore: generation }),
  { nil: undefined },
);

describe('what a sandbox is opened from', () => {
  const holds = (
    check: (
      opening: Opening,
      record: RecordedFiles | undefined,
      restore: RestorePoint | null,
      wanted: number,
      here: boolean,
    ) => void,
  ) =>
    fc.assert(
      fc.property(records, restores, generation, fc.boolean(), (record, restore, filesGeneration, here) =>
        check(decideOpening(record, { restore, filesGeneration }, here), record, restore, filesGeneration, here),
      ),
      { numRuns: 2_000 },
    );

  test('is the volume exactly when it is here, whole, and left by the generation that is asked for', () =>
    holds((opening, record, _restore, wanted, here) => {
      const left = record !== undefined && [record.filesGeneration, record.filesGenerationBefore].includes(wanted);
      expect(opening.from === 'volume').toBe(here && left && record.workspaceReady && wanted > 0);
    }));

  test('is else the most that was stored, and nothing that was stored is passed over', () =>
    holds((opening, _record, restore) => {
      if (opening.from === 'volume') return;
      if (restore?.archive?.kind === 'whole') expect(opening).toEqual({ from: 'archive', archive: restore.archive });
      else if (restore?.checkpoint) expect(opening).toEqual({ from: 'checkpoint', persisted: restore.archive });
      else expect(['new', 'nothing']).toContain(opening.from);
    }));

  test('is said to be lost only where files were here and nothing of them was stored', () =>
    holds((opening, record, restore, wanted, here) => {
      if (opening.from !== 'nothing') return;
      expect(here).toBe(false);
      expect(wanted).toBeGreaterThan(0);
      expect(record?.workspaceReady).toBe(true);
      expect(restore?.checkpoint ?? null).toBeNull();
      expect(restore?.archive?.kind).not.toBe('whole');
    }));
});
