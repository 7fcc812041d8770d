// What a scan knows: one plain JSON value.

import type { CommandResult } from '@worktrail/contract/commands';
import type { ScanSpec } from '@worktrail/contract/scan-messages';
import { type ScanDocument, suggestionLimits } from '@worktrail/contract/suggestions';

export interface ScanState {
  document: ScanDocument;
  /** Of the checks' commands, by id. */
  results: Record<string, CommandResult>;
  /** Why the session of the checks takes none any more. */
  checksGone: string | null;
}

export function newScanState({ organizationId, projectId }: ScanSpec, startedAt: string): ScanState {
  return {
    document: {
      // Of scans of a project, one after the other, each is newer than all of the one before.
      version: Date.parse(startedAt) * 1_000,
      ...{ organizationId, projectId, startedAt },
      ...{ state: 'running', step: 'reading', commit: null, kinds: [] },
      ...{ added: 0, updated: 0, resolved: 0, notes: [], detail: null, endedAt: null },
    },
    results: {},
    checksGone: null,
  };
}

export function scanChanged(state: ScanState, to: Partial<ScanDocument>): void {
  Object.assign(state.document, to, { version: state.document.version + 1 });
}

const noteLengthMax = 300;

export function noted(state: ScanState, note: string): void {
  const notes = [...state.document.notes, note.slice(0, noteLengthMax)].slice(0, suggestionLimits.notesMax);
  scanChanged(state, { notes });
}
