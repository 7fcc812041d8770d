import type { CommandSpec } from '@worktrail/contract/commands';
import type { SessionFork } from '@worktrail/contract/forks';
import { limits } from '@worktrail/contract/limits';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleCommand, sampleSession, withSetup } from '../../test/samples.ts';
import {
  comeToRest,
  type Happening,
  happen,
  newSimulation,
  noon,
  type Simulation,
} from '../../test/session-simulation.ts';
import { areFilesSettled } from './checkpoints.ts';
import { acceptCommand, isUnsettled, liveCommandBytesMax, refusal, startableCommand } from './commands.ts';
import { becameReady, commandAnswered, commandEnded, commandNotStarted, opened, placed } from './life.ts';
import { followingPhases } from './phases.ts';
import { endedCommandsMax, newSessionState, type SessionState, sessionDocument } from './state.ts';

const how = fc.constantFrom('well' as const, 'well' as const, 'well' as const, 'badly' as const, 'not at all' as const);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('run' as const), background: fc.boolean(), trial: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('repeat' as const), pick: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), pick: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stopped' as const), generation: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('hostLost' as const),
      runner: fc.constantFrom('its own' as const, 'its own' as const, 'another' as const),
      earlier: fc.constantFrom(0, 0, 0, 1, 2, -1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Happening>(
      { kind: 'archive' },
      { kind: 'patch' },
      { kind: 'continueAsNew' },
      { kind: 'hibernate' },
      { kind: 'hibernate' },
      { kind: 'wish' },
      { kind: 'resume' },
      { kind: 'checkpoint' },
      { kind: 'revert', force: false },
      { kind: 'revert', force: true },
      { kind: 'changeFile' },
      { kind: 'changeFile' },
      { kind: 'readFiles' },
      { kind: 'fork' },
      { kind: 'forkRecorded', pick: 0 },
    ),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(300, 1_000, 20_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('zombie' as const), pick: fc.nat(20), how }) },
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('answer' as const), pick: fc.nat(20), how }) },
);

const lives = fc.record({
  setup: fc.array(fc.constant('install'), { maxLength: 2 }),
  hibernateAfterSeconds: fc.constantFrom(0, 0, 5),
  isFork: fc.boolean(),
  happenings: fc.array(happening, { maxLength: 80, size: 'max' }),
});
type Life = typeof lives extends fc.Arbitrary<infer T> ? T : never;

const fork: SessionFork = {
  sessionId: 'ses_parent',
  inherited: [{ sessionId: 'ses_parent', branch: 'worktrail/parent', upTo: '1-1' }],
  restore: {
    ...{ baseCommit: 'a', checkpoint: { id: 'chk_parent', number: 7, commit: 'c', tree: 't' } },
    ...{ bundles: [{ name: 'parent', sha256: '', bytes: 1, upTo: 7 }], archive: null },
  },
  headCommit: 'b',
};

function live({ setup, hibernateAfterSeconds, isFork, happenings }: Life, check: (now: Simulation) => void) {
  const simulation = newSimulation(setup, hibernateAfterSeconds, isFork ? fork : undefined);
  for (const one of happenings) {
    happen(simulation, one);
    check(simulation);
  }
  return simulation;
}

function property(check: (now: Simulation) => void, atRest: (then: Simulation) => void = () => {}): void {
  fc.assert(
    fc.property(lives, (life) => {
      const simulation = live(life, check);
      comeToRest(simulation);
      check(simulation);
      atRest(simulation);
    }),
    { numRuns: 200 },
  );
}

describe('any life of a session', () => {
  it('has one foreground command running at a time, and never more commands than may be live', () => {
    property(({ state }) => {
      const running = state.commands.filter((command) => command.state === 'running');
      expect(running.filter(({ spec }) => !spec.background).length).toBeLessThanOrEqual(1);
      expect(running.length).toBeLessThanOrEqual(limits.liveCommandsMax);
    });
  });

  it('gives each accepted command exactly one end', () => {
    property(
      ({ ends }) => expect(new Set(ends).size).toBe(ends.length),
      ({ accepted, ends }) => expect([...ends].sort()).toEqual([...accepted].sort()),
    );
  });

  it('only passes from state to state as the table says, and terminal states stay', () => {
    fc.assert(
      fc.property(lives, (life) => {
        let phase: SessionState['phase'] = 'creating';
        live(life, ({ state }) => {
          expect(reachable(phase)).toContain(state.phase);
          phase = state.phase;
        });
      }),
      { numRuns: 200 },
    );
  });

  it('keeps a state that survives JSON', () => {
    property(({ state }) => expect(JSON.parse(JSON.stringify(state))).toEqual(state));
  });

  it('numbers the events of each producer from 1 without a hole, whatever is repeated', () => {
    property(
      () => {},
      ({ events }) => {
        const last = new Map<string, number>();
        for (const { producer, draft } of events) {
          expect(draft.number).toBe((last.get(producer) ?? 0) + 1);
          last.set(producer, draft.number);
        }
      },
    );
  });

  it('brings its read model up to date, and its version only grows', () => {
    fc.assert(
      fc.property(lives, (life) => {
        let version = 0;
        const simulation = live(life, ({ state }) => {
          expect(state.version).toBeGreaterThanOrEqual(version);
          expect(state.recordedVersion).toBeLessThanOrEqual(state.version);
          version = state.version;
        });
        comeToRest(simulation);
        expect(simulation.state.recordedVersion).toBeGreaterThanOrEqual(simulation.state.dueVersion);
      }),
    );
  });

  it('comes to rest with nothing left to do', () => {
    property(
      () => {},
      ({ state, begun, shown }) => {
        expect(begun).toEqual([]);
        expect(shown).not.toBe('busy');
        expect(state.commands).toEqual([]);
        expect(state.checkpointing.plan).toBeNull();
        expect(state.reverting.plan).toBeNull();
        expect(state.changing.asked).toEqual([]);
        expect(areFilesSettled(state)).toBe(true);
        expect(['ready', 'hibernated', 'failed', 'archived']).toContain(state.phase);
        if (state.phase === 'ready') expect(state.uncheckpointedSince).toBeNull();
      },
    );
  });

  it('numbers its checkpoints from 1, or from that of its parent, without a hole, and needs a bounded number of bundles for them', () => {
    property(
      ({ state }) => expect(state.bundles.length).toBeLessThanOrEqual(33),
      ({ state, events }) => {
        const numbers = events.flatMap(({ draft: { payload } }) =>
          payload.case === 'checkpointCreated' ? [payload.value.number] : [],
        );
        const before = state.spec.fork?.restore.checkpoint.number ?? 0;
        expect(numbers).toEqual(numbers.map((_, index) => before + index + 1));
        expect(state.checkpoint?.number ?? 0).toBe(before + numbers.length);
      },
    );
  });

  it('runs no command of a user, hibernates and makes no other checkpoint from the beginning of a revert to its end', () => {
    property(({ state, begun }) => {
      if (!begun.some(({ what }) => what === 'revert')) return;
      expect(begun.filter(({ what }) => ['command', 'checkpoint', 'fileChange'].includes(what))).toEqual([]);
      expect(state.phase).not.toBe('hibernating');
    });
  });

  it('ends each revert once, as a checkpoint and an event that names it, or as failed', () => {
    property(
      () => {},
      ({ state, events, reverts }) => {
        const payloads = events.map(({ draft }) => draft.payload);
        const reverted = payloads.flatMap((payload) => (payload.case === 'sessionReverted' ? [payload.value] : []));
        const made = payloads.flatMap((payload) => (payload.case === 'checkpointCreated' ? [payload.value] : []));
        for (const { newCheckpointId, newCheckpointNumber } of reverted) {
          expect(made).toContainEqual(
            expect.objectContaining({ checkpointId: newCheckpointId, number: newCheckpointNumber }),
          );
        }
        const { answered } = state.reverting;
        expect(answered.map(({ id }) => id)).toEqual(reverts.slice(-16));
        if (reverts.length > 16) return;
        expect(answered.filter(({ document }) => document !== null)).toHaveLength(reverted.length);
      },
    );
  });

  it('answers each change of a file once, in the order in which they came, and has those that were made in its history', () => {
    property(
      ({ begun }) => expect(begun.filter(({ what }) => what === 'fileChange').length).toBeLessThanOrEqual(1),
      ({ state, events, fileChanges }) => {
        const { answered } = state.changing;
        expect(answered.map(({ id }) => id)).toEqual(fileChanges.slice(-32));
        const made = events.filter(({ draft }) => draft.payload.case === 'filesChanged');
        expect(made).toHaveLength(answered.filter(({ file }) => file !== null).length);
      },
    );
  });

  it('names what its forks begin with for as long as they may not name it themselves', () => {
    property(({ state }) => {
      const { artifacts } = sessionDocument(state);
      for (const { point } of state.loans) for (const { name } of point.bundles) expect(artifacts).toContain(name);
    });
  });

  it('is stopped only once its checkpoint is stored, each time again', () => {
    const simulation = newSimulation([], 5);
    for (let times = 0; times < 3; times++) {
      comeToRest(simulation);
      expect(simulation.state.phase).toBe('hibernated');
      happen(simulation, { kind: 'resume' });
    }
    // The simulation refuses to stop it otherwise.
    expect(simulation.checkpointed).toEqual([1, 2, 3]);
  });

  it('has a way from every state to its archive', () => {
    for (const phase of Object.keys(followingPhases) as SessionState['phase'][]) {
      expect(reachable(phase)).toContain('archived');
    }
  });
});

/** In the steps that follow one thing that happens, a session may pass through several states. */
function reachable(from: SessionState['phase']): Set<SessionState['phase']> {
  const found = new Set([from]);
  for (const phase of found) for (const next of followingPhases[phase]) found.add(next);
  return found;
}

function readyState(spec = sampleSession()): SessionState {
  const state = newSessionState(spec);
  placed(state, { runnerId: 'r', hostQueue: 'q' }, noon);
  opened(state, 1, { from: 'new', baseCommit: 'a', headCommit: 'b', notKept: [] }, noon);
  becameReady(state, noon);
  return state;
}

function start(state: SessionState, spec: CommandSpec): CommandSpec {
  acceptCommand(state, spec, null, noon);
  startableCommand(state)!.state = 'running';
  return spec;
}

const exitedWell = {
  ...{ outcome: 'exited' as const, reason: null, exitCode: 0, signal: null },
  ...{ stdoutBytes: 0, stderrBytes: 0 },
};

describe('the queue of a session', () => {
  it('is bounded in commands', () => {
    const state = newSessionState(sampleSession());
    for (let i = 0; i < limits.queuedCommandsMax; i++) {
      const command = sampleCommand('x');
      expect(refusal(state, command)).toBeNull();
      acceptCommand(state, command, null, noon);
    }
    expect(refusal(state, sampleCommand('x'))?.code).toBe('queued_commands_exceeded');
    expect(refusal(state, state.commands[3]!.spec)).toBeNull();
  });

  it('is bounded in bytes, so that it can be carried over', () => {
    const state = newSessionState(sampleSession());
    const large = () => sampleCommand('x'.repeat(limits.commandBytesMax));
    while (refusal(state, large()) === null) acceptCommand(state, large(), null, noon);
    expect(refusal(state, large())?.code).toBe('queued_commands_exceeded');
    expect(JSON.stringify(state).length).toBeLessThan(liveCommandBytesMax + 64 * 1024);
    expect(state.commands.length).toBeGreaterThan(5);
  });

  it('counts characters that are several bytes', () => {
    const state = newSessionState(sampleSession());
    acceptCommand(state, sampleCommand('é'.repeat(liveCommandBytesMax / 3)), null, noon);
    expect(refusal(state, sampleCommand('x'))?.code).toBe('queued_commands_exceeded');
  });

  it('does not let a background command pass the bound of live ones, and lets others wait', () => {
    const state = readyState();
    for (let i = 0; i < limits.liveCommandsMax; i++) {
      acceptCommand(state, sampleCommand('x', { background: true }), null, noon);
      startableCommand(state)!.state = 'running';
    }
    expect(refusal(state, sampleCommand('x', { background: true }))?.code).toBe('live_commands_exceeded');
    const foreground = sampleCommand('x');
    expect(refusal(state, foreground)).toBeNull();
    expect(acceptCommand(state, foreground, null, noon)).toEqual({ state: 'queued' });
    expect(startableCommand(state)).toBeUndefined();
  });

  it('lets a setup command wait for the end of what the sandbox before had running', () => {
    const state = readyState(withSetup(['install']));
    const first = start(state, sampleCommand('x'));
    const beside = start(state, sampleCommand('y', { background: true }));
    commandNotStarted(state, beside.id, { generation: 1, sandboxGone: true }, noon);
    opened(state, 2, { from: 'checkpoint', baseCommit: 'a', headCommit: 'b', notKept: [] }, noon);
    const setup = sampleCommand('install', { origin: 'setup' });
    expect(acceptCommand(state, setup, null, noon)).toEqual({ state: 'queued' });
    expect(startableCommand(state)).toBeUndefined();
    commandAnswered(state, first.id, { ...exitedWell, outcome: 'sandbox_lost' }, noon);
    expect(startableCommand(state)?.spec).toEqual(setup);
  });
});

describe('a short command', () => {
  it('makes neither an event of the session nor a write of its read model', () => {
    const state = readyState();
    state.events = [];
    state.recordedVersion = state.dueVersion;
    const command = sampleCommand('echo hi');
    acceptCommand(state, command, null, noon);
    expect(isUnsettled(state)).toBe(true);
    startableCommand(state)!.state = 'running';
    const result = {
      outcome: 'exited' as const,
      reason: null,
      exitCode: 0,
      signal: null,
      stdoutBytes: 3,
      stderrBytes: 0,
    };
    commandEnded(state, command.id, result, '2026-01-01T12:00:01.000Z');
    expect(state.events).toEqual([]);
    expect(state.dueVersion).toBe(state.recordedVersion);
    expect(isUnsettled(state)).toBe(false);
    expect(sessionDocument(state).lastActiveAt).toBe('2026-01-01T12:00:01.000Z');
  });

  it('is forgotten only after many more', () => {
    const state = readyState();
    const first = sampleCommand('echo hi');
    const result = {
      outcome: 'exited' as const,
      reason: null,
      exitCode: 0,
      signal: null,
      stdoutBytes: 0,
      stderrBytes: 0,
    };
    for (const command of [first, ...Array.from({ length: endedCommandsMax }, () => sampleCommand('x'))]) {
      if (command !== first) expect(state.ended.some(({ id }) => id === first.id)).toBe(true);
      acceptCommand(state, command, null, noon);
      startableCommand(state)!.state = 'running';
      commandEnded(state, command.id, result, noon);
    }
    expect(state.ended).toHaveLength(endedCommandsMax);
    expect(state.ended.some(({ id }) => id === first.id)).toBe(false);
  });
});

describe("a trial's command", () => {
  const result = {
    outcome: 'exited' as const,
    reason: null,
    exitCode: 3,
    signal: null,
    stdoutBytes: 0,
    stderrBytes: 0,
  };

  it('is reported when it ends, and again when it is asked for again', () => {
    const state = readyState();
    const command = sampleCommand('test');
    acceptCommand(state, command, 'trial:trl_x', noon);
    acceptCommand(state, command, 'trial:trl_x', noon);
    startableCommand(state)!.state = 'running';
    expect(state.reports).toEqual([]);
    commandEnded(state, command.id, result, noon);
    const report = { about: 'command', to: 'trial:trl_x', commandId: command.id, result };
    expect(state.reports).toEqual([report]);
    state.reports = [];
    acceptCommand(state, command, 'trial:trl_x', noon);
    expect(state.reports).toEqual([report]);
    expect(state.commands).toEqual([]);
  });
});
