import { describe, expect, it } from 'vitest';
import type { AgentTurnResult } from '@worktrail/contract/agent-turns';
import type { TurnSpec } from '@worktrail/contract/turns';
import { sampleCommand, sampleSession, sampleTurn, withSetup } from '../../test/samples.ts';
import { checkpointMade, checkpointPlanned } from './checkpoints.ts';
import { acceptCommand, startableCommand } from './commands.ts';
import { hibernated, hibernationBegun, isMovable } from './hibernation.ts';
import { hostLost, lostCommandsEnded } from './host-loss.ts';
import * as life from './life.ts';
import { isQuiet, nextStep, type Underway } from './next-step.ts';
import { newSessionState, type SessionState } from './state.ts';
import { turnCanceled, turnStopped } from './turn-ends.ts';
import { agentBegun, agentNotBegun, currentTurn, messageTaken, turnBegun } from './turns.ts';

const noon = '2026-01-01T12:00:00.000Z';
const host = { runnerId: 'r', hostQueue: 'q' };
const made = { baseCommit: 'a', headCommit: 'b', notKept: [] };

function readyState(spec = sampleSession()): SessionState {
  const state = newSessionState(spec);
  life.placed(state, host, noon);
  life.opened(state, 1, { ...made, from: 'new' }, noon);
  life.becameReady(state, noon);
  return state;
}

function checkpoint(state: SessionState, id: string): void {
  checkpointPlanned(state, 'automatic', id, noon);
  const facts = { id, number: 1, commit: 'c', tree: 't', filesChanged: 1, headCommit: 'b', headRef: null, notKept: [] };
  const bundle = { name: id, sha256: '', bytes: 1 };
  checkpointMade(state, id, { changed: true, checkpoint: facts, bundle }, false, noon);
}

function start(state: SessionState): string {
  const command = sampleCommand('x');
  acceptCommand(state, command, null, noon);
  startableCommand(state)!.state = 'running';
  return command.id;
}

const exited = {
  outcome: 'exited' as const,
  reason: null,
  exitCode: 0,
  signal: null,
  stdoutBytes: 0,
  stderrBytes: 0,
};

const lastEvent = (state: SessionState) => state.events.at(-1)!.draft.payload;

function followAgent(state: SessionState): string {
  const spec = sampleTurn('do it');
  messageTaken(state, { ...spec, agent: { ...spec.agent, kind: 'custom', command: 'agent' } }, noon);
  turnBegun(state, currentTurn(state)!, noon);
  agentBegun(state, currentTurn(state)!);
  return spec.id;
}

const usage = { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0, costUsd: 0 };
const answers: AgentTurnResult[] = [
  { ...{ kind: 'ended', outcome: 'completed', reason: '', steps: 1, usage }, conversation: null },
  { kind: 'permissions', asked: [{ toolCallId: 'a', toolKind: 'execute', detail: 'run it' }] },
];

const idle: Underway = {
  ...{ following: [], sandbox: false, checkpoint: false, reverting: false, changing: false, updating: false },
  ...{ model: false, agent: false, tool: false, endingLost: false, endingLeft: false },
  ...{ recording: false, reporting: false, alarmAtMs: null },
};

describe('an agent in a sandbox', () => {
  const ended = (state: SessionState, turnId: string) =>
    life.agentAnswered(state, { turnId, generation: state.generation }, answers[0]!, noon);
  const lose = (state: SessionState) => hostLost(state, { runnerId: 'r', generation: state.generation }, noon);
  const ends: [string, number, (state: SessionState, turnId: string) => void][] = [
    ['ended by its host', 0, ended],
    [
      'canceled, and ended by its host',
      0,
      (state, turnId) => {
        turnCanceled(state, turnId, 'x', noon);
        ended(state, turnId);
      },
    ],
    [
      'ended by another host',
      1,
      (state, turnId) => {
        lose(state);
        ended(state, turnId);
      },
    ],
    ['failed with its session', 1, (state) => life.failed(state, 'internal', 'x', noon)],
    [
      'canceled once its host was lost',
      1,
      (state, turnId) => {
        lose(state);
        turnCanceled(state, turnId, 'x', noon);
        expect(nextStep(state, { ...idle, sandbox: true }, Date.parse(noon))?.do).toBe('endTurn');
        turnStopped(state, currentLive(state), noon);
      },
    ],
  ];
  const currentLive = (state: SessionState) => state.turns.live[0]!;

  it.each(ends)('whose turn was %s leaves %i to be looked after', (_, left, end) => {
    const state = readyState();
    const turnId = followAgent(state);
    end(state, turnId);
    expect(state.turns.live).toEqual([]);
    expect(state.leftAgents.map((one) => one.turnId)).toEqual(left ? [turnId] : []);
    if (!left) return;
    expect(nextStep(state, idle, Date.parse(noon))).toEqual({ do: 'endLeft' });
    // What its host still says of it comes first.
    expect(nextStep(state, { ...idle, agent: true }, Date.parse(noon))?.do).not.toBe('endLeft');
    const ending = { ...idle, sandbox: true, endingLeft: true };
    expect(nextStep(state, ending, Date.parse(noon))?.do).not.toBe('record');
    expect(isQuiet(state, ending)).toBe(false);
  });

  it('that was never begun leaves nothing', () => {
    const state = readyState();
    const turnId = followAgent(state);
    agentNotBegun(state, turnId);
    life.failed(state, 'internal', 'x', noon);
    expect(state.leftAgents).toEqual([]);
  });
});

describe('a session whose sandbox was gone goes nowhere else', () => {
  const goneFor = (state: SessionState, commandId: string) =>
    life.commandNotStarted(state, commandId, { generation: 1, sandboxGone: true }, noon);
  const kept = () => {
    const state = readyState();
    checkpoint(state, 'chk_1');
    expect(isMovable(state)).toBe(true);
    return state;
  };

  it('while a command that ran there has not ended, nor after that', () => {
    const state = kept();
    const running = start(state);
    const other = sampleCommand('y', { background: true });
    acceptCommand(state, other, null, noon);
    startableCommand(state)!.state = 'running';
    goneFor(state, other.id);
    expect(state.phase).toBe('resuming');
    expect(isMovable(state)).toBe(false);
    life.commandAnswered(state, running, { ...exited, outcome: 'sandbox_lost' }, noon);
    expect(isMovable(state)).toBe(false);
  });

  it('while a checkpoint of what is there is being made, nor where that fails', () => {
    const state = kept();
    life.commandEnded(state, start(state), exited, noon);
    checkpointPlanned(state, 'automatic', 'chk_2', noon);
    goneFor(state, start(state));
    expect(isMovable(state)).toBe(false);
    life.checkpointNotMade(state, 'chk_2', { generation: 1, sandboxGone: true, detail: 'x' }, noon);
    expect(isMovable(state)).toBe(false);
  });

  it.each([
    ['was found gone', (state: SessionState) => goneFor(state, start(state))],
    [
      'was stopped',
      (state: SessionState) => {
        life.sandboxStopped(state, 1, 'cluster_stopped', noon);
        life.resumed(state, 'requested', noon);
      },
    ],
  ])('where an agent was at work in it when it %s', (_, lose) => {
    const state = kept();
    followAgent(state);
    lose(state);
    expect(state).toMatchObject({ phase: 'resuming', uncheckpointedSince: noon });
    expect(isMovable(state)).toBe(false);
  });
});

describe('a lost host', () => {
  it.each(answers)('does not say any more what its agent came to: $kind', (result) => {
    const state = readyState();
    const turnId = followAgent(state);
    const { generation } = state;
    hostLost(state, { runnerId: 'r', generation }, noon);
    const before = structuredClone(state);
    life.agentAnswered(state, { turnId, generation }, result, noon);
    expect(state).toEqual(before);
    life.agentAnswered(state, { turnId, generation: state.generation }, result, noon);
    expect(state).not.toEqual(before);
  });

  it('is not meant when the session came to it after the news began', () => {
    const state = readyState();
    checkpoint(state, 'chk_1');
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    life.placed(state, host, noon);
    const { generation } = state;
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    expect(state).toMatchObject({ placement: host, generation });
    hostLost(state, { runnerId: 'r', generation: generation + 1 }, noon);
    expect(state.placement).toEqual(host);
    hostLost(state, { runnerId: 'r', generation }, noon);
    expect(state.placement).toBeNull();
  });

  describe('with an agent at work', () => {
    function lost(...turns: TurnSpec[]): SessionState {
      const state = readyState();
      checkpoint(state, 'chk_1');
      for (const spec of turns) messageTaken(state, spec, noon);
      turnBegun(state, currentTurn(state)!, noon);
      agentBegun(state, currentTurn(state)!);
      hostLost(state, { runnerId: 'r', generation: 1 }, noon);
      return state;
    }
    const agentTurn = () => {
      const spec = sampleTurn('look');
      return { ...spec, agent: { ...spec.agent, kind: 'opencode' as const } };
    };
    const nothing: Underway = {
      ...{ following: [], sandbox: true, checkpoint: false, reverting: false, changing: false, updating: false },
      ...{
        model: false,
        agent: false,
        tool: false,
        endingLost: false,
        endingLeft: true,
        recording: true,
        reporting: false,
      },
      alarmAtMs: null,
    };

    it('lets its turn be canceled at once, though there is no place for the session, and the next one begin when there is', () => {
      const [first, second] = [agentTurn(), agentTurn()];
      const state = lost(first, second);
      turnCanceled(state, first.id, 'requested', noon);
      expect(nextStep(state, nothing, Date.parse(noon))).toEqual({ do: 'endTurn' });
      turnStopped(state, state.turns.live[0]!, noon);
      expect(state.turns.ended).toMatchObject([{ id: first.id, outcome: 'canceled' }]);
      expect(state.placement).toBeNull();
      life.placed(state, { runnerId: 's', hostQueue: 'q2' }, noon);
      life.opened(state, state.generation, { ...made, from: 'checkpoint' }, noon);
      life.becameReady(state, noon);
      expect(currentTurn(state)?.spec.id).toBe(second.id);
      expect(nextStep(state, { ...nothing, sandbox: false }, Date.parse(noon))).toEqual({ do: 'beginTurn' });
    });

    it('may have lost what that has changed since the last checkpoint', () => {
      expect(lost(agentTurn()).changesLost).toBe(true);
    });
  });

  it('leaves a hibernated session where its last changes are, as long as they are stored nowhere else', () => {
    const state = readyState();
    checkpoint(state, 'chk_1');
    const id = start(state);
    life.commandEnded(state, id, exited, noon);
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    expect(state).toMatchObject({ phase: 'hibernated', placement: host });
  });

  it('takes with it what was changed while a checkpoint was made: the history says so when the session goes on elsewhere', () => {
    const state = readyState();
    checkpoint(state, 'chk_1');
    const commandId = start(state);
    checkpointPlanned(state, 'automatic', 'chk_2', noon);
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    expect(state).toMatchObject({ phase: 'hibernated', placement: host });
    lostCommandsEnded(state, [{ commandId, result: { ...exited, outcome: 'host_lost', exitCode: null } }], noon);
    life.checkpointNotMade(state, 'chk_2', { generation: 1, sandboxGone: true, detail: 'x' }, noon);
    life.resumed(state, 'requested', noon);
    hostLost(state, { runnerId: 'r', generation: state.generation }, noon);
    expect(state).toMatchObject({ placement: null, changesLost: true });
  });

  it('puts nothing to sleep by what it says late: another sandbox has taken the place of the one that stopped', () => {
    const state = readyState();
    checkpoint(state, 'chk_1');
    hibernationBegun(state, 'requested', noon);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    life.placed(state, host, noon);
    life.opened(state, state.generation, { ...made, from: 'checkpoint' }, noon);
    life.becameReady(state, noon);
    hibernationBegun(state, 'requested', noon);
    hibernated(state, 1, { archive: null }, noon);
    expect(state.phase).toBe('hibernating');
    hibernated(state, state.generation, { archive: null }, noon);
    expect(state.phase).toBe('hibernated');
  });

  it('leaves a hibernated session where it is, as long as nothing stands in for its volume', () => {
    const state = readyState();
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    expect(state).toMatchObject({ phase: 'hibernated', placement: host });

    const stored = readyState();
    checkpoint(stored, 'chk_1');
    hibernationBegun(stored, 'requested', noon);
    hibernated(stored, 1, { archive: null }, noon);
    hostLost(stored, { runnerId: 'r', generation: 1 }, noon);
    expect(stored).toMatchObject({ phase: 'hibernated', placement: null });
  });

  it('makes a setup command run again where the files are made anew, whatever it had come to there', () => {
    const state = newSessionState(withSetup(['one', 'two']));
    life.placed(state, host, noon);
    life.opened(state, 1, { ...made, from: 'new' }, noon);
    const command = sampleCommand('one', { origin: 'setup' });
    acceptCommand(state, command, null, noon);
    startableCommand(state)!.state = 'running';
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    life.placed(state, { runnerId: 's', hostQueue: 'q2' }, noon);
    life.opened(state, state.generation, { ...made, from: 'new' }, noon);
    // Its end was in the history, and is found there late.
    lostCommandsEnded(state, [{ commandId: command.id, result: exited }], noon);
    expect(state).toMatchObject({ phase: 'creating', commands: [], setup: { done: 0, retries: 1 } });
  });

  it('leaves a session that waits for a place its rank among those that wait', () => {
    const state = readyState();
    life.sandboxStopped(state, 1, 'cluster_stopped', noon);
    life.resumed(state, 'requested', noon);
    life.hostIsFull(state, noon);
    hostLost(state, { runnerId: 'r', generation: state.generation }, '2026-01-01T12:10:00.000Z');
    expect(state).toMatchObject({ placement: null, waitingForPlaceSince: noon });
  });

  it('that has written nothing of what it says afterwards changes nothing', () => {
    const state = readyState();
    const commandId = start(state);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    const late = {
      outcome: 'exited',
      reason: null,
      exitCode: 0,
      signal: null,
      stdoutBytes: 0,
      stderrBytes: 0,
    } as const;
    life.commandAnswered(state, commandId, late, noon);
    expect(state.commands.map((command) => command.state)).toEqual(['lost']);
    const result = { ...late, outcome: 'host_lost', exitCode: null } as const;
    lostCommandsEnded(state, [{ commandId, result }], noon);
    expect(state.commands).toEqual([]);
    expect(state.ended.at(-1)?.result.outcome).toBe('host_lost');
  });

  it('does not keep a trial waiting for what ran there', () => {
    const state = readyState();
    const command = sampleCommand('test');
    acceptCommand(state, command, 'trial:trl_x', noon);
    startableCommand(state)!.state = 'running';
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    const result = {
      outcome: 'host_lost',
      reason: 'x',
      exitCode: null,
      signal: null,
      stdoutBytes: 0,
      stderrBytes: 0,
    } as const;
    lostCommandsEnded(state, [{ commandId: command.id, result }], noon);
    expect(state.reports).toEqual([{ about: 'command', to: 'trial:trl_x', commandId: command.id, result }]);
  });

  it('takes with it what no checkpoint had, and the history says so', () => {
    const state = readyState(withSetup(['install']));
    checkpoint(state, 'chk_1');
    start(state);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    life.placed(state, { runnerId: 's', hostQueue: 'q' }, noon);
    life.opened(state, 3, { ...made, from: 'checkpoint', notKept: ['ignored files'] }, noon);
    expect(lastEvent(state)).toEqual({
      case: 'sessionRestored',
      value: {
        checkpointId: 'chk_1',
        runnerId: 's',
        notKept: ['ignored files', 'changes after checkpoint 1', 'what the setup commands had made, which run again'],
      },
    });
    expect(state.setup.done).toBe(0);
  });

  it('that comes back in time with the volume has lost nothing, and what is newer in it is checkpointed', () => {
    const state = readyState();
    checkpoint(state, 'chk_1');
    start(state);
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    life.placed(state, host, noon);
    life.opened(state, 3, { ...made, from: 'volume' }, noon);
    expect(state.events.some(({ draft }) => draft.payload.case === 'sessionRestored')).toBe(false);
    expect(state.uncheckpointedSince).toBe(noon);
  });

  it('with the only files of a session leaves it to begin anew, and the history says so', () => {
    const state = readyState();
    hostLost(state, { runnerId: 'r', generation: 1 }, noon);
    life.placed(state, host, noon);
    life.opened(state, 3, { ...made, from: 'new' }, noon);
    expect(lastEvent(state)).toMatchObject({ value: { notKept: ['everything since the session was created'] } });
  });
});
