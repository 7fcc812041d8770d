// Writing and deleting single files of a session, asked for from outside: one after the other, in the order in which they came.
//
// 1. Each is answered once, done or refused, and done once: asked for again it is the same change; after a refusal it is tried again.
// 2. Commands may run meanwhile. A session that sleeps is woken; a revert waits for the change that is under way, later ones for the revert.
//    An update from the default branch begins once none waits, and later ones wait for it.
// 3. What is done is in the history, with who did it, before it is answered.

import type { ErrorCode } from '@worktrail/contract/errors';
import type { ChangedFile, ChangeFileRequest } from '@worktrail/contract/session-messages';
import { addSessionEvent, changed } from './events.ts';
import { waitsFor } from './occupations.ts';
import type { AnsweredFileChange, PendingFileChange, SessionState } from './state.ts';

const askedMax = 16;
const answeredMax = 32;

/** Asked again, it is the same one; after a refusal it is tried again. False when too many are waited for. */
export function fileChangeAsked(state: SessionState, request: ChangeFileRequest, now: string): boolean {
  const { asked, answered } = state.changing;
  const { changeId } = request;
  const isKnown =
    asked.some((other) => other.request.changeId === changeId) ||
    answered.some(({ id, file }) => id === changeId && file !== null);
  if (isKnown) return true;
  if (asked.length >= askedMax) return false;
  state.changing.answered = answered.filter(({ id }) => id !== changeId);
  asked.push({ request, begun: false });
  state.lastActiveAt = now;
  changed(state);
  return true;
}

export function answeredFileChange({ changing }: SessionState, id: string): AnsweredFileChange | undefined {
  return changing.answered.find((answer) => answer.id === id);
}

/** The one that is to be made now, or attached to again. */
export function nextFileChange(state: SessionState): PendingFileChange | undefined {
  const { phase, sandboxOpen, archiveRequested, changing, reverting } = state;
  const next = changing.asked[0];
  if (!next || phase !== 'ready' || !sandboxOpen || archiveRequested) return undefined;
  const isWaitedFor = next.begun && reverting.plan?.stage === 'keeping';
  const waits = waitsFor('fileChange', state).filter((one) => one !== 'revert' || !isWaitedFor);
  return waits.length === 0 ? next : undefined;
}

export function fileChanged(state: SessionState, id: string, generation: number, file: ChangedFile, now: string): void {
  const pending = findPending(state, id);
  if (!pending || generation !== state.generation) return;
  const { path, actor } = pending.request;
  if (file.status !== 'unchanged') {
    addSessionEvent(state, now, { case: 'filesChanged', value: { source: 'api', files: [{ path, ...file }] } }, actor);
    state.uncheckpointedSince ??= now;
  }
  state.lastActiveAt = now;
  answer(state, { id, file, refusal: null });
}

export function fileChangeRefused(state: SessionState, id: string, code: ErrorCode, detail: string): void {
  if (findPending(state, id)) answer(state, { id, file: null, refusal: { code, detail } });
}

/** The session is over. */
export function fileChangesRefused(state: SessionState, code: ErrorCode, detail: string): void {
  for (const { request } of [...state.changing.asked]) fileChangeRefused(state, request.changeId, code, detail);
}

function findPending({ changing }: SessionState, id: string): PendingFileChange | undefined {
  return changing.asked.find(({ request }) => request.changeId === id);
}

function answer(state: SessionState, answered: AnsweredFileChange): void {
  const { changing } = state;
  changing.asked = changing.asked.filter(({ request }) => request.changeId !== answered.id);
  changing.answered = [...changing.answered, answered].slice(-answeredMax);
  changed(state);
}
