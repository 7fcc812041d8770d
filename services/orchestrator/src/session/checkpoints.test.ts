import { describe, expect, it } from 'vitest';
import { sampleCommand, sampleSession, sampleTurn } from '../../test/samples.ts';
import * as checkpoints from './checkpoints.ts';
import { acceptCommand, startableCommand } from './commands.ts';
import { commandAnswered, becameReady, opened, placed } from './life.ts';
import { permissionAnswered } from './permissions.ts';
import { newSessionState, type SessionState } from './state.ts';
import { agentAsked, agentBegun, currentTurn, messageTaken, turnBegun } from './turns.ts';

const noonMs = Date.parse('2026-01-01T12:00:00.000Z');
const at = (seconds: number) => new Date(noonMs + seconds * 1_000).toISOString();
const dueAfter = (state: SessionState) => {
  const atMs = checkpoints.automaticCheckpointAtMs(state);
  return atMs === null ? null : (atMs - noonMs) / 1_000;
};
const result = { outcome: 'exited', reason: null, exitCode: 0, signal: null, stdoutBytes: 0, stderrBytes: 0 } as const;

/** Ready at noon, with its first checkpoint stored then. */
function storedState(): SessionState {
  const state = newSessionState(sampleSession());
  placed(state, { runnerId: 'r', hostQueue: 'q' }, at(0));
  opened(state, 1, { from: 'new', baseCommit: 'a', headCommit: 'b', notKept: [] }, at(0));
  becameReady(state, at(0));
  store(state, 1, 0);
  return state;
}

function store(state: SessionState, number: number, seconds: number): void {
  const id = `chk_${number}`;
  checkpoints.checkpointPlanned(state, 'automatic', id, at(seconds));
  const compact = checkpoints.checkpointInput(state, state.checkpointing.plan!).compact;
  checkpoints.checkpointMade(state, id, changed(id), compact, at(seconds));
}

function changed(id: string) {
  const headRef = `refs/heads/${sampleSession().branch}`;
  const checkpoint = { id, number: 0, commit: id, tree: id, filesChanged: 1, headCommit: id, headRef, notKept: [] };
  return { changed: true as const, checkpoint, bundle: { name: id, sha256: '', bytes: 1 } };
}

function start(state: SessionState, seconds: number, background = false): string {
  const command = sampleCommand('x', { background });
  acceptCommand(state, command, null, at(seconds));
  Object.assign(startableCommand(state)!, { state: 'running', startedAt: at(seconds) });
  return command.id;
}

describe('what a checkpoint has found of the repository', () => {
  it('is what the session says: of a HEAD that leads nowhere neither a commit nor a position', () => {
    const state = storedState();
    const take = (number: number, headCommit: string | null, position: typeof state.position) => {
      checkpoints.checkpointPlanned(state, 'automatic', `chk_${number}`, at(number));
      const headRef = headCommit === null ? null : `refs/heads/${state.spec.branch}`;
      const found = { changed: false as const, headCommit, headRef, position };
      checkpoints.checkpointMade(state, `chk_${number}`, found, false, at(number));
      return { headCommit: state.headCommit, position: state.position };
    };
    const there = { headCommit: 'x', position: { ahead: 1, behind: 2 } };
    expect(take(2, 'x', there.position)).toEqual(there);
    expect(take(3, 'x', null)).toEqual(there);
    expect(take(4, null, null)).toEqual({ headCommit: null, position: null });
    expect(take(5, 'x', there.position)).toEqual(there);
  });
});

describe('a checkpoint is due', () => {
  it('never while nothing has ended and nothing runs', () => {
    expect(dueAfter(storedState())).toBeNull();
  });

  it('a second after the last command of several, and ten after the first where there is no second without one', () => {
    const state = storedState();
    commandAnswered(state, start(state, 100), result, at(101));
    expect(dueAfter(state)).toBe(102);
    const [one, two] = [start(state, 101.5), start(state, 101.5, true)];
    expect(dueAfter(state)).toBe(111);
    commandAnswered(state, one, result, at(105));
    commandAnswered(state, two, result, at(106));
    expect(dueAfter(state)).toBe(107);
  });

  it('every minute while a command runs', () => {
    const state = storedState();
    start(state, 100);
    expect(dueAfter(state)).toBe(160);
    store(state, 2, 160);
    expect(dueAfter(state)).toBe(220);
  });

  it('every minute while an agent is at work in the sandbox, and not while it waits for an answer', () => {
    const state = storedState();
    const spec = sampleTurn('do it');
    messageTaken(
      state,
      {
        ...spec,
        agent: {
          ...spec.agent,
          kind: 'custom',
          command: 'agent',
          permissions: { ...spec.agent.permissions, execute: 'ask' },
        },
      },
      at(90),
    );
    turnBegun(state, currentTurn(state)!, at(100));
    expect(dueAfter(state)).toBeNull();
    agentBegun(state, currentTurn(state)!);
    expect(dueAfter(state)).toBe(160);
    store(state, 2, 160);
    expect(dueAfter(state)).toBe(220);
    agentAsked(state, spec.id, [{ toolCallId: 'a', toolKind: 'execute', detail: 'ls' }], at(170));
    expect(dueAfter(state)).toBeNull();
    permissionAnswered(
      state,
      { permissionId: `${spec.id}-p1`, decision: 'deny', remember: false, actor: spec.actor },
      at(171),
    );
    expect(dueAfter(state)).toBe(220);
  });

  it('at once where somebody reads the files and something has ended, and not where nothing has', () => {
    const state = storedState();
    checkpoints.filesWanted(state, at(50));
    expect(checkpoints.areFilesSettled(state)).toBe(true);
    expect(dueAfter(state)).toBeNull();
    commandAnswered(state, start(state, 100), result, at(101));
    checkpoints.filesWanted(state, at(101.1));
    expect(checkpoints.areFilesSettled(state)).toBe(false);
    expect(checkpoints.duePurpose(state, noonMs + 101_100)).toBe('automatic');
    store(state, 2, 101.1);
    expect(checkpoints.areFilesSettled(state)).toBe(true);
    expect(dueAfter(state)).toBeNull();
  });

  it('once more for who reads after a command has ended that the one being made may not have', () => {
    const state = storedState();
    commandAnswered(state, start(state, 100), result, at(100));
    checkpoints.checkpointPlanned(state, 'automatic', 'chk_2', at(101));
    commandAnswered(state, start(state, 101), result, at(102));
    checkpoints.filesWanted(state, at(102));
    checkpoints.checkpointMade(state, 'chk_2', changed('chk_2'), false, at(102.5));
    expect(checkpoints.areFilesSettled(state)).toBe(false);
    store(state, 3, 102.5);
    expect(checkpoints.areFilesSettled(state)).toBe(true);
  });

  it('for who reads while a command runs every ten seconds at most', () => {
    const state = storedState();
    start(state, 100);
    checkpoints.filesWanted(state, at(101));
    expect(dueAfter(state)).toBe(101);
    store(state, 2, 101);
    checkpoints.filesWanted(state, at(105));
    expect(checkpoints.areFilesSettled(state)).toBe(true);
    checkpoints.filesWanted(state, at(111));
    expect(dueAfter(state)).toBe(111);
  });

  it('never sooner for who reads after one has failed: who waits is let go', () => {
    const state = storedState();
    commandAnswered(state, start(state, 100), result, at(100));
    checkpoints.filesWanted(state, at(100));
    checkpoints.checkpointPlanned(state, 'automatic', 'chk_2', at(100));
    checkpoints.filesWanted(state, at(100.5));
    checkpoints.checkpointFailed(state, 'chk_2', 'the store is full', at(101));
    checkpoints.filesWanted(state, at(102));
    expect(checkpoints.areFilesSettled(state)).toBe(true);
    expect(dueAfter(state)).toBe(131);
  });

  it('later once one has failed, and the third failure in a row is in the history, once', () => {
    const state = storedState();
    commandAnswered(state, start(state, 100), result, at(100));
    const told = () => state.events.filter(({ draft }) => draft.payload.case === 'limitReached').length;
    const counts = [1, 2, 3, 4].map((failure) => {
      checkpoints.checkpointPlanned(state, 'automatic', `chk_x${failure}`, at(101));
      checkpoints.checkpointFailed(state, `chk_x${failure}`, 'the store is full', at(101));
      expect(dueAfter(state)).toBe(131);
      return told();
    });
    expect(counts).toEqual([0, 0, 1, 1]);
    store(state, 2, 131);
    expect(dueAfter(state)).toBeNull();
    expect(state.checkpoint?.number).toBe(2);
  });
});

describe('a checkpoint that is asked for again after it has failed', () => {
  it('may be the files as of the first time: what changed since is still to be checkpointed', () => {
    const state = storedState();
    const request = { checkpointId: 'chk_asked', label: '' };
    const ask = (seconds: number) => {
      expect(checkpoints.checkpointAsked(state, request)).toBe(true);
      checkpoints.checkpointPlanned(state, 'asked', 'chk_unused', at(seconds));
      expect(state.checkpointing.plan?.id).toBe('chk_asked');
    };
    ask(10);
    checkpoints.checkpointFailed(state, 'chk_asked', 'not stored', at(11));
    commandAnswered(state, start(state, 20), result, at(21));
    ask(30);
    checkpoints.checkpointMade(state, 'chk_asked', changed('chk_asked'), false, at(31));
    expect(checkpoints.askedCheckpoint(state, 'chk_asked')).toMatchObject({ document: { id: 'chk_asked' } });
    expect(state.uncheckpointedSince).not.toBeNull();
  });

  it('is all that is needed when it succeeds the first time', () => {
    const state = storedState();
    commandAnswered(state, start(state, 20), result, at(21));
    checkpoints.checkpointAsked(state, { checkpointId: 'chk_asked', label: '' });
    checkpoints.checkpointPlanned(state, 'asked', 'chk_unused', at(22));
    checkpoints.checkpointMade(state, 'chk_asked', changed('chk_asked'), false, at(23));
    expect(state.uncheckpointedSince).toBeNull();
  });
});

it('the head of a repository that is gone is none, and that its branch was left is said', () => {
  const state = storedState();
  expect(state.headCommit).not.toBeNull();
  checkpoints.checkpointPlanned(state, 'automatic', 'chk_gone', at(1));
  const result = changed('chk_gone');
  Object.assign(result.checkpoint, { headCommit: null, headRef: null });
  checkpoints.checkpointMade(state, 'chk_gone', result, false, at(2));
  expect(state.headCommit).toBeNull();
  const told = state.events.findLast(({ draft }) => draft.payload.case === 'sessionBranchLeft');
  expect(told?.draft.payload.value).toMatchObject({ actualRef: '' });
});

describe('what is said of a checkpoint that was given up', () => {
  it('changes nothing, and its producer is closed', () => {
    const state = storedState();
    checkpoints.checkpointPlanned(state, 'automatic', 'chk_lost', at(1));
    checkpoints.checkpointGivenUp(state, 'host_lost', at(2));
    expect(state.events.at(-1)).toMatchObject({
      producer: 'chk_lost',
      draft: { number: 1, payload: { case: 'gap', value: { producer: 'chk_lost', reason: 'host_lost' } } },
    });
    checkpoints.checkpointPlanned(state, 'automatic', 'chk_next', at(3));
    const before = JSON.stringify(state);
    checkpoints.checkpointMade(state, 'chk_lost', changed('chk_lost'), false, at(4));
    checkpoints.checkpointFailed(state, 'chk_lost', 'late', at(4));
    expect(JSON.stringify(state)).toBe(before);
  });
});

describe('bundles', () => {
  it('are put together when they are many', () => {
    const state = storedState();
    const counts = Array.from({ length: 70 }, (_, index) => {
      store(state, index + 2, index);
      return state.bundles.length;
    });
    expect(Math.max(...counts)).toBe(32);
    expect(counts.filter((count) => count === 1)).toHaveLength(2);
    expect(state.checkpoint?.number).toBe(71);
  });
});
