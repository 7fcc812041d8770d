import type { CommandResult } from '@worktrail/contract/commands';
import { describe, expect, it } from 'vitest';
import { sampleCommand, sampleSession, withSetup } from '../../test/samples.ts';
import { checkpointPlanned } from './checkpoints.ts';
import { acceptCommand, cancelCommand, findLive, startableCommand } from './commands.ts';
import { hibernationBegun } from './hibernation.ts';
import * as life from './life.ts';
import { newSessionState, type SessionState } from './state.ts';

const noon = '2026-01-01T12:00:00.000Z';
const sandbox = { from: 'volume' as const, baseCommit: 'a', headCommit: 'b', notKept: [] };

function placedState(spec = sampleSession()): SessionState {
  const state = newSessionState(spec);
  life.placed(state, { runnerId: 'r', hostQueue: 'q' }, noon);
  return state;
}

function readyState(): SessionState {
  const state = placedState();
  life.opened(state, 1, sandbox, noon);
  life.becameReady(state, noon);
  return state;
}

function startCommand(state: SessionState, command = sampleCommand('x')): string {
  acceptCommand(state, command, null, noon);
  startableCommand(state)!.state = 'running';
  return command.id;
}

function ended(changes: Partial<CommandResult>): CommandResult {
  return { outcome: 'exited', reason: null, exitCode: 0, signal: null, stdoutBytes: 0, stderrBytes: 0, ...changes };
}

describe('what a runner says late', () => {
  it('opens nothing when it opened an older generation', () => {
    const state = readyState();
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    life.resumed(state, 'command', noon);
    life.opened(state, 1, sandbox, noon);
    expect(state.sandboxOpen).toBe(false);
    life.opened(state, 2, sandbox, noon);
    expect(state.sandboxOpen).toBe(true);
  });

  it('neither fails a session that sleeps since, or is opened anew, nor lets it wait for a place', () => {
    const state = placedState();
    life.opened(state, 1, sandbox, noon);
    life.becameReady(state, noon);
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    life.resumed(state, 'command', noon);
    life.sandboxStopped(state, 2, 'cluster_stopped', noon);
    life.preparationFailed(state, 2, 'internal', 'it went wrong', noon);
    life.hostIsFull(state, noon);
    expect(state).toMatchObject({ phase: 'hibernated', waitingForPlaceSince: null });
    life.resumed(state, 'command', noon);
    life.preparationFailed(state, 2, 'internal', 'it went wrong', noon);
    expect(state.phase).toBe('resuming');
    life.preparationFailed(state, 3, 'internal', 'it went wrong', noon);
    expect(state.phase).toBe('failed');
  });

  it('does not close the sandbox of a newer generation', () => {
    const state = readyState();
    const commandId = startCommand(state);
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    life.resumed(state, 'command', noon);
    life.opened(state, 2, sandbox, noon);
    life.becameReady(state, noon);
    life.commandNotStarted(state, commandId, { generation: 1, sandboxGone: true }, noon);
    expect(state).toMatchObject({ phase: 'ready', sandboxOpen: true, generation: 2 });
    expect(startableCommand(state)?.spec.id).toBe(commandId);
  });

  it('does not hibernate a session that was resumed since', () => {
    const state = readyState();
    life.sandboxStopped(state, 1, 'idle', noon);
    life.resumed(state, 'command', noon);
    life.sandboxStopped(state, 1, 'idle', noon);
    expect(state.phase).toBe('resuming');
  });
});

describe('a sandbox that is gone', () => {
  it('ends a hibernation that waited for another checkpoint there: the session is opened again, and who asked is told', () => {
    const state = readyState();
    checkpointPlanned(state, 'automatic', 'chk_1', noon);
    hibernationBegun(state, 'requested', noon);
    life.checkpointNotMade(state, 'chk_1', { generation: 1, sandboxGone: true, detail: 'gone' }, noon);
    expect(state).toMatchObject({ phase: 'resuming', sandboxOpen: false, generation: 2 });
    expect(state.hibernation.failure).toEqual({ number: 1, detail: 'its sandbox was gone' });
  });
});

describe('a session that waits for a place on its host', () => {
  it('waits no longer once it sleeps', () => {
    const state = readyState();
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    life.resumed(state, 'requested', noon);
    life.hostIsFull(state, noon);
    life.sandboxStopped(state, 2, 'cluster_stopped', noon);
    expect(state).toMatchObject({ phase: 'hibernated', waitingForPlaceSince: null });
  });
});

describe('a command that the runner never started', () => {
  it('ends as canceled when it was canceled meanwhile', () => {
    const state = readyState();
    const commandId = startCommand(state);
    cancelCommand(state, commandId, 'asked', noon);
    life.commandNotStarted(state, commandId, { generation: 1, sandboxGone: true }, noon);
    expect(findLive(state, commandId)).toMatchObject({
      state: 'ending',
      result: { outcome: 'canceled', reason: 'asked' },
    });
    expect(state.events.filter(({ producer }) => producer === commandId).map(({ draft }) => draft.number)).toEqual([
      1, 2,
    ]);
  });
});

describe('a setup command', () => {
  it('that was lost with its sandbox is run again, a bounded number of times', () => {
    const state = placedState(withSetup(['install']));
    life.opened(state, 1, sandbox, noon);
    for (let lost = 0; lost < life.setupRetriesMax; lost++) {
      life.commandEnded(
        state,
        startCommand(state, setupCommand()),
        ended({ outcome: 'host_lost', exitCode: null }),
        noon,
      );
      expect(state).toMatchObject({ phase: 'creating', setup: { done: 0, retries: lost + 1 } });
    }
    life.commandEnded(
      state,
      startCommand(state, setupCommand()),
      ended({ outcome: 'host_lost', exitCode: null }),
      noon,
    );
    expect(state).toMatchObject({ phase: 'failed', failure: { code: 'setup_failed' } });
  });

  it.each(['cluster_stopped', 'supervisor_stopped'])('that ended because of %s is run again', (reason) => {
    const state = placedState(withSetup(['install']));
    life.opened(state, 1, sandbox, noon);
    const stopped = ended({ outcome: 'canceled', reason, exitCode: null });
    life.commandEnded(state, startCommand(state, setupCommand()), stopped, noon);
    expect(state).toMatchObject({ phase: 'creating', setup: { done: 0, retries: 1 } });
  });

  it('is run again in a workspace that was made anew', () => {
    const state = placedState(withSetup(['install']));
    life.opened(state, 1, { ...sandbox, from: 'new' }, noon);
    life.commandEnded(state, startCommand(state, setupCommand()), ended({}), noon);
    expect(state.setup.done).toBe(1);
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    life.opened(state, 2, { ...sandbox, from: 'new' }, noon);
    expect(state.setup.done).toBe(0);
  });
});

function setupCommand() {
  return sampleCommand('install', { origin: 'setup' });
}
