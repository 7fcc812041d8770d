// How a session is put to sleep: checkpoint, stop, archive; and when.
//
// 1. Only a session that is ready and has no live command hibernates; one that is accepted meanwhile waits, and wakes it afterwards.
// 2. Without a stored checkpoint it stays as it was.
// 3. By itself: once it has been idle for so long as its specification says, or as soon as it is idle when that was wished for.

import type { HibernatedSandbox } from '@worktrail/contract/sandbox-activities';
import { addReady, addSessionEvent, changedForReaders } from './events.ts';
import { waitsFor } from './occupations.ts';
import { enterPhase, isOver } from './phases.ts';
import type { SessionState } from './state.ts';

const failureDelayMs = 5 * 60_000;

export function mayHibernate(state: SessionState): boolean {
  const isIdle = waitsFor('hibernation', state).length === 0;
  return state.phase === 'ready' && state.sandboxOpen && isIdle && !isOver(state);
}

/** When it hibernates by itself, and why; null while it does not. */
export function hibernationDue(state: SessionState): { atMs: number; reason: string } | null {
  if (!mayHibernate(state)) return null;
  const { wish, notBefore } = state.hibernation;
  const notBeforeMs = notBefore === null ? 0 : Date.parse(notBefore);
  if (wish !== null) return { atMs: notBeforeMs, reason: wish };
  const { hibernateAfterSeconds } = state.spec;
  if (!hibernateAfterSeconds) return null;
  const idleSinceMs = Math.max(Date.parse(state.lastActiveAt), Date.parse(state.readySince ?? state.lastActiveAt));
  return { atMs: Math.max(idleSinceMs + hibernateAfterSeconds * 1_000, notBeforeMs), reason: 'idle' };
}

/** Follows it when idle; a session that sleeps does already. */
export function hibernationWished(state: SessionState, reason: string): void {
  if (isOver(state) || state.phase === 'hibernated' || state.phase === 'hibernating') return;
  state.hibernation.wish = reason;
}

export function hibernationBegun(state: SessionState, reason: string, now: string): void {
  if (!mayHibernate(state)) return;
  enterPhase(state, 'hibernating');
  const { hibernation } = state;
  hibernation.number += 1;
  hibernation.reason = reason;
  hibernation.checkpointed = false;
  hibernation.resumeWanted = false;
  addSessionEvent(state, now, { case: 'sessionHibernating', value: { reason } });
}

/** Back to what it was. */
export function hibernationFailed(state: SessionState, detail: string, now: string): void {
  if (state.phase !== 'hibernating') return;
  noteFailure(state, detail, now);
  enterPhase(state, 'ready');
  addReady(state, now);
}

/** What it was to be stored from is gone. */
export function hibernationLost(state: SessionState, detail: string, now: string): void {
  if (state.phase === 'hibernating') noteFailure(state, detail, now);
}

function noteFailure(state: SessionState, detail: string, now: string): void {
  const { hibernation } = state;
  hibernation.failure = { number: hibernation.number, detail };
  hibernation.notBefore = new Date(Date.parse(now) + failureDelayMs).toISOString();
  hibernation.reason = null;
}

/** The sandbox is stopped; its volume stays on its host, and is archived if it could be. */
export function hibernated(state: SessionState, generation: number, sandbox: HibernatedSandbox, now: string): void {
  if (generation !== state.generation || isOver(state)) return;
  if (state.phase === 'hibernated') {
    // Its runner has said before that it stopped it.
    if (state.archive !== null || sandbox.archive === null) return;
    state.archive = sandbox.archive;
    return changedForReaders(state);
  }
  if (state.phase !== 'hibernating') return;
  state.archive = sandbox.archive;
  const reason = state.hibernation.reason ?? 'requested';
  fallAsleep(state, reason, sandbox.archive ? 'archive' : 'volume', now);
  // A runner that drains will not have it back.
  if (reason === 'runner_draining' && isMovable(state)) state.placement = null;
}

export function fallAsleep(state: SessionState, reason: string, keptIn: 'archive' | 'volume', now: string): void {
  const { hibernation } = state;
  state.sandboxOpen = false;
  state.waitingForPlaceSince = null;
  hibernation.wish = null;
  hibernation.reason = null;
  hibernation.notBefore = null;
  enterPhase(state, 'hibernated');
  addSessionEvent(state, now, { case: 'sessionHibernated', value: { reason, keptIn } });
}

/** Nothing is on its host that is not stored elsewhere too. */
export function isMovable(state: SessionState): boolean {
  if (state.filesGeneration === 0) return true;
  return (state.checkpoint !== null || state.archive !== null) && !mayBeUnstored(state);
}

/** Its files differ from the newest checkpoint, or may: something that can change them has ended since, or is under way. */
export function mayBeUnstored(state: SessionState): boolean {
  const runs = state.commands.some(({ state: is }) => is === 'running');
  return state.uncheckpointedSince !== null || isMakingCheckpoint(state) || runs || isAgentAtWork(state);
}

/** Of changes that are not made anew from another: a revert is. */
function isMakingCheckpoint({ checkpointing: { plan } }: SessionState): boolean {
  return plan !== null && plan.purpose !== 'revert';
}

/** What an agent changes, itself or by a tool, is known when it or that has ended. */
export function isAgentAtWork({ generation, turns }: SessionState): boolean {
  const turn = turns.live[0];
  return turn?.agentGeneration === generation || turn?.tools.some(({ state: is }) => is === 'telling') === true;
}
