// What is recorded next, and what that changes: events and document go out together, one batch at a time, in order.

import type { SessionDocument } from '@worktrail/contract/documents';
import type { SandboxRef } from '@worktrail/contract/sandbox-activities';
import type { EventPoint } from '../agent/model-step-messages.ts';
import { findLive } from './commands.ts';
import { forkIsRecorded } from './forks.ts';
import { commandEnded } from './life.ts';
import { type PendingEvent, type SessionState, sessionDocument } from './state.ts';

/** Input of the activity `recordSession`: appends the events, then writes the document. */
export interface RecordSessionInput {
  ref: SandboxRef;
  events: PendingEvent[];
  document: SessionDocument;
}

export function recordIsDue(state: SessionState): boolean {
  return state.events.length > 0 || state.dueVersion > state.recordedVersion;
}

/** The newest event that is not known to be in the history yet; null: there is none. */
export function newestUnrecorded({ events }: SessionState): EventPoint | null {
  const newest = events.at(-1);
  return newest ? { producer: newest.producer, number: newest.draft.number } : null;
}

export function nextRecord(state: SessionState): RecordSessionInput {
  return { ref: sandboxRef(state), events: [...state.events], document: shownDocument(state) };
}

/**
 * Busy only while the history says so, whose end is recorded too: a document that is written for another reason while a short command runs
 * would show it as busy for as long as nothing else happens.
 */
function shownDocument(state: SessionState): SessionDocument {
  const document = sessionDocument(state);
  return document.state === 'busy' && !state.busyRecorded ? { ...document, state: 'ready' } : document;
}

export function recorded(state: SessionState, batch: RecordSessionInput, now: string): void {
  state.events = state.events.slice(batch.events.length);
  if (state.recordedVersion === 0) forkIsRecorded(state);
  state.recordedVersion = batch.document.version;
  for (const { draft } of batch.events) {
    if (draft.commandId === undefined) continue;
    const command = findLive(state, draft.commandId);
    if (!command) continue;
    if (draft.payload.case === 'commandQueued') command.queuedEvent = 'recorded';
    if (draft.payload.case === 'commandEnded' && command.result)
      commandEnded(state, draft.commandId, command.result, now);
  }
}

export function sandboxRef(state: SessionState): SandboxRef {
  const { organizationId, projectId, sessionId, partition } = state.spec;
  return { organizationId, projectId, sessionId, partition, generation: state.generation };
}
