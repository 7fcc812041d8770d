// A host that is lost for good: its session goes on elsewhere, from what is stored.
//
// 1. Another host, or an earlier stay on this one, is not meant.
// 2. A command that ran there ends as its history says, or else as `host_lost`. One that waited waits on.
// 3. What is answered from there afterwards is void: the generation is another.

import type { CommandResult } from '@worktrail/contract/commands';
import type { HostLost } from '@worktrail/contract/session-messages';
import { checkpointGivenUp, filesTouched } from './checkpoints.ts';
import { findLive } from './commands.ts';
import { addSessionEvent, changed, changedForReaders } from './events.ts';
import { hibernationLost, isMovable, mayBeUnstored } from './hibernation.ts';
import { commandEnded } from './life.ts';
import { enterPhase, isPreparing } from './phases.ts';
import type { SessionState } from './state.ts';

/** Whether it is this session's host, as it is placed now. */
export function concernsLostHost(state: SessionState, { runnerId, generation }: HostLost): boolean {
  if (state.phase === 'archived' || state.placement?.runnerId !== runnerId) return false;
  return generation >= state.placedGeneration && generation <= state.generation;
}

/** What was under way there is to be abandoned by the caller. */
export function hostLost(state: SessionState, lost: HostLost, now: string): void {
  if (!concernsLostHost(state, lost)) return;
  const changesMayBeLost = mayBeUnstored(state);
  for (const command of state.commands) if (command.state === 'running') command.state = 'lost';
  // A volume that nothing stands in for may come back with its host.
  if (state.phase === 'hibernated' && !isMovable(state)) {
    // What a command that ran there has changed is not told by its end any more.
    if (changesMayBeLost) filesTouched(state, now);
    return changed(state);
  }
  state.changesLost ||= changesMayBeLost;
  checkpointGivenUp(state, 'host_lost', now);
  state.uncheckpointedSince = null;
  hibernationLost(state, 'its host was lost meanwhile', now);
  state.generation += 1;
  state.placement = null;
  state.sandboxOpen = false;
  if (state.phase === 'ready' || state.phase === 'hibernating') {
    enterPhase(state, 'resuming');
    addSessionEvent(state, now, { case: 'sessionResuming', value: { reason: 'host_lost' } });
  }
  if (isPreparing(state)) state.waitingForPlaceSince ??= now;
  changedForReaders(state);
}

export interface LostCommandEnd {
  commandId: string;
  result: CommandResult;
}

export function lostCommandsEnded(state: SessionState, ends: readonly LostCommandEnd[], now: string): void {
  for (const { commandId, result } of ends) {
    if (findLive(state, commandId)?.state === 'lost') commandEnded(state, commandId, result, now);
  }
}
