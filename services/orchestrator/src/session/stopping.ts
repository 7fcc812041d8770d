// Stopping what a session has under way: a command, a turn with all that it runs, what was on a host that is lost.

import type * as messages from '@worktrail/contract/session-messages';
import type * as turns from '@worktrail/contract/turns';
import { cancelCommand, findLive } from './commands.ts';
import { concernsLostHost, hostLost } from './host-loss.ts';
import { now } from '../workflow-clock.ts';
import type { SessionRun } from './run.ts';
import type { ToolUseState } from './state.ts';
import { turnCanceled } from './turn-ends.ts';

export function stopCommand(run: SessionRun, { commandId, reason }: messages.CancelCommandRequest): boolean {
  const before = findLive(run.state, commandId)?.cancelReason ?? null;
  const accepted = cancelCommand(run.state, commandId, reason, now());
  // Once: a later interrupt would only hinder the runner that is ending it.
  if (before === null) run.background.interrupt(commandId);
  return accepted;
}

export function cancelAndTell(run: SessionRun, { turnId, reason }: turns.CancelTurnRequest): turns.TurnCanceled {
  const accepted = stopTurn(run, turnId, reason);
  const stopping = run.state.commands.filter(({ spec, state: is }) => spec.turnId === turnId && is === 'running');
  return { accepted, commands: stopping.map(({ spec }) => spec.id) };
}

/** False: it is not live. */
export function stopTurn(run: SessionRun, turnId: string, reason: string): boolean {
  const { state, background } = run;
  const isCurrent = state.turns.live[0]?.spec.id === turnId;
  const accepted = turnCanceled(state, turnId, reason, now());
  if (!accepted || !isCurrent) return accepted;
  background.interrupt('model');
  background.interrupt('agent');
  const isOnHost = ({ state: is, use }: ToolUseState) => is === 'telling' && use.kind !== 'command';
  if (state.turns.live[0]?.tools.some(isOnHost)) background.interrupt('tool');
  const commands = state.commands.filter(({ spec }) => spec.turnId === turnId);
  for (const { spec } of commands) stopCommand(run, { commandId: spec.id, reason: 'turn_canceled' });
  return true;
}

export function cancelUsersCommands(run: SessionRun): void {
  const turn = run.state.turns.live[0];
  if (turn && turn.stage !== 'queued') stopTurn(run, turn.spec.id, 'reverted');
  const commands = run.state.commands.filter(({ spec }) => spec.origin !== 'setup');
  for (const { spec } of commands) stopCommand(run, { commandId: spec.id, reason: 'reverted' });
}

/** What is under way there is not waited for. */
export function loseHost(run: SessionRun, lost: messages.HostLost): void {
  const { state, background } = run;
  if (!concernsLostHost(state, lost)) return;
  for (const { spec, state: is } of state.commands) if (is === 'running') background.abandon(spec.id);
  background.abandon('checkpoint');
  background.abandon('reverting');
  background.abandon('changing');
  background.abandon('agent');
  background.abandon('sandbox');
  hostLost(state, lost, now());
}
