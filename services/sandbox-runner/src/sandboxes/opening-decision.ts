// From what a session's sandbox is opened: decided from what is here and what the workflow says, without touching anything.
//
// 1. A volume is the session's files only if the generation that last had them open left it here. Anything else here is out of date.
// 2. The volume counts over the archive, the archive over the checkpoint, and that over making the files anew.
// 3. Files that were here and are gone are lost only where nothing else of them was kept.

import type { SessionArchive } from '@worktrail/contract/checkpoints';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import type { SandboxRecord } from '../sessions/session-directory.ts';

export type Opening =
  | { from: 'volume' }
  | { from: 'archive'; archive: SessionArchive }
  /** `persisted` is laid over what the checkpoint holds. */
  | { from: 'checkpoint'; persisted: SessionArchive | null }
  | { from: 'new' }
  | { from: 'nothing' };

export type RecordedFiles = Pick<SandboxRecord, 'workspaceReady' | 'filesGeneration' | 'filesGenerationBefore'>;
export type WantedFiles = Pick<OpenSandboxInput, 'restore' | 'filesGeneration'>;

/** `volumesAreHere`: the engine has those that the record names. */
export function decideOpening(
  record: RecordedFiles | undefined,
  wanted: WantedFiles,
  volumesAreHere: boolean,
): Opening {
  const wereHere = record !== undefined && holdsFiles(record, wanted.filesGeneration);
  if (wereHere && volumesAreHere) return { from: 'volume' };
  const archive = wanted.restore?.archive ?? null;
  if (archive?.kind === 'whole') return { from: 'archive', archive };
  if (wanted.restore?.checkpoint) return { from: 'checkpoint', persisted: archive };
  return wereHere ? { from: 'nothing' } : { from: 'new' };
}

/**
 * A workflow that was never told of an opening still asks for what that one found: no command has run since.
 */
export function holdsFiles(record: RecordedFiles, filesGeneration: number): boolean {
  if (!record.workspaceReady || filesGeneration === 0) return false;
  return [record.filesGeneration, record.filesGenerationBefore].includes(filesGeneration);
}
