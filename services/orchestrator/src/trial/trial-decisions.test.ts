import type { CommandOutcome, CommandResult } from '@worktrail/contract/commands';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrialBudget } from '@worktrail/contract/documents';
import type { TurnReported } from '@worktrail/contract/trial-messages';
import type { TurnOutcome } from '@worktrail/contract/turns';
import { sampleTurn } from '../../test/samples.ts';
import { sampleTrial } from '../../test/trial-client.ts';
import * as attempts from './attempts.ts';
import { nextTrialStep, type TrialStep, type TrialUnderway } from './next-step.ts';
import { verdictsToRecord } from './record.ts';
import { describedTrial, newTrialState, type TrialState, trialDocument } from './state.ts';

const noon = '2026-01-01T12:00:00.000Z';
const outcomes: CommandOutcome[] = ['exited', 'timed_out', 'canceled', 'host_lost'];

interface Trial {
  state: TrialState;
  underway: { talking: number[]; listening: number[]; timing: boolean; recording: boolean };
  commands: number;
  started: number[];
  /** Of these the verdict is being recorded, and was. */
  recording: { version: number; sessionIds: string[] };
  recorded: string[];
}

const happening = fc.oneof(
  fc.record({ kind: fc.constant('talked' as const), pick: fc.nat(5) }),
  fc.record({ kind: fc.constant('ready' as const), pick: fc.nat(5) }),
  fc.record({ kind: fc.constant('sessionFailed' as const), pick: fc.nat(5) }),
  fc.record({
    kind: fc.constant('reported' as const),
    pick: fc.nat(5),
    late: fc.boolean(),
    outcome: fc.constantFrom(...outcomes),
    exitCode: fc.constantFrom(0, 0, 0, 1),
  }),
  fc.record({
    kind: fc.constant('turn' as const),
    pick: fc.nat(5),
    tokens: fc.nat(40),
    outcome: fc.constantFrom<TurnOutcome | null>('completed', 'completed', 'failed', 'limit_reached', 'canceled', null),
  }),
  fc.record({ kind: fc.constant('silence' as const), pick: fc.nat(5) }),
  fc.record({ kind: fc.constant('recorded' as const) }),
  fc.record({ kind: fc.constant('continueAsNew' as const) }),
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('timeOver' as const) }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const lives = fc.record({
  plans: fc.array(fc.record({ commands: fc.array(fc.constant('test'), { maxLength: 3 }), asks: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  }),
  stopWhen: fc.constantFrom(undefined, undefined, 'passed' as const),
  budget: fc.record(
    { tokens: fc.integer({ min: 1, max: 100 }), costUsd: fc.constant(1), seconds: fc.constant(60) },
    { requiredKeys: [] },
  ),
  verify: fc.array(fc.constant('verify'), { maxLength: 2 }),
  maxParallel: fc.integer({ min: 1, max: 3 }),
  happenings: fc.array(happening, { maxLength: 80, size: 'max' }),
});

type Life = typeof lives extends fc.Arbitrary<infer T> ? T : never;

function start({ plans, verify, maxParallel, stopWhen, budget }: Omit<Life, 'happenings'>): Trial {
  const planned = plans.map(({ commands, asks }) => ({ commands, ...(asks && { message: sampleTurn('do it') }) }));
  const state = newTrialState(
    sampleTrial(planned, { verify, maxParallel, budget: budget as TrialBudget, ...(stopWhen && { stopWhen }) }),
  );
  const trial: Trial = {
    state,
    underway: { talking: [], listening: [], timing: false, recording: false },
    commands: 0,
    started: [],
    recording: { version: 0, sessionIds: [] },
    recorded: [],
  };
  act(trial);
  return trial;
}

function happen(trial: Trial, one: Happening): void {
  const { state, underway } = trial;
  if (one.kind === 'recorded') {
    if (underway.recording) {
      const { version, sessionIds } = trial.recording;
      state.recordedVersion = version;
      attempts.verdictsRecorded(state, sessionIds);
      trial.recorded.push(...sessionIds);
    }
    underway.recording = false;
  } else if (one.kind === 'continueAsNew') {
    trial.state = JSON.parse(JSON.stringify(state)) as TrialState;
    trial.underway = { talking: [], listening: [], timing: false, recording: false };
  } else if (one.kind === 'cancel') attempts.trialCanceled(state, noon);
  else if (one.kind === 'timeOver') {
    if (underway.timing) attempts.budgetSpent(state, 'seconds', noon);
    underway.timing = false;
  } else happenTo(trial, one.pick % state.attempts.length, one);
  act(trial);
}

function happenTo(
  trial: Trial,
  index: number,
  one: Exclude<Happening, { kind: 'recorded' | 'continueAsNew' | 'cancel' | 'timeOver' }>,
) {
  const { state, underway } = trial;
  const attempt = state.attempts[index]!;
  const { sessionId } = state.spec.attempts[index]!.session;
  if (one.kind === 'talked' && underway.talking.includes(index)) {
    underway.talking = underway.talking.filter((other) => other !== index);
    if (attempt.toStop !== null) attempts.stepStopped(state, index);
    else if (attempt.session === 'unstarted') attempts.sessionStarted(state, index);
    else if (attempt.current) attempts.stepSent(state, index, attempt.current.id);
  }
  if (one.kind === 'ready' && attempt.session !== 'unstarted') {
    attempts.sessionReported(state, { sessionId, state: 'ready', failure: null }, noon);
  }
  if (one.kind === 'sessionFailed' && attempt.session !== 'unstarted') {
    attempts.sessionReported(state, { sessionId, state: 'failed', failure: { code: 'internal', detail: 'x' } }, noon);
  }
  if (one.kind === 'silence' && underway.listening.includes(index)) {
    underway.listening = underway.listening.filter((other) => other !== index);
    attempts.stepSilent(state, index, attempt.current?.id ?? '');
  }
  // It comes twice.
  if (one.kind === 'turn' && attempt.turn && (attempt.current === null || attempt.current.sent)) {
    const report = turnReport(trial, index, one.tokens, one.outcome);
    for (let times = 0; times < 2; times += 1) attempts.turnReported(state, report, noon);
  }
  if (one.kind === 'reported') {
    const commandId = one.late ? attempt.commandIds[0] : attempt.current?.id;
    const result = ended(one.outcome, one.exitCode);
    if (commandId && (one.late || attempt.current?.sent)) {
      attempts.commandReported(state, { sessionId, commandId, result }, noon);
    }
  }
}

function turnReport(trial: Trial, index: number, tokens: number, outcome: TurnOutcome | null): TurnReported {
  const { usage } = trial.state.attempts[index]!.turn!;
  const used = { ...usage, steps: usage.steps + 1, inputTokens: usage.inputTokens + tokens };
  const { sessionId } = trial.state.spec.attempts[index]!.session;
  const end = outcome && { outcome, reason: 'so it was' };
  return { sessionId, turnId: trial.state.attempts[index]!.turn!.id, usage: used, end };
}

function ended(outcome: CommandOutcome, exitCode: number): CommandResult {
  return { outcome, exitCode, reason: null, signal: null, stdoutBytes: 0, stderrBytes: 0 };
}

function act(trial: Trial): void {
  for (let steps = 0; ; steps++) {
    if (steps > 500) throw new Error('the trial does not stop taking steps');
    const step = nextTrialStep(trial.state, trial.underway as TrialUnderway);
    if (!step || step.do === 'complete') return;
    take(trial, step);
  }
}

function take(trial: Trial, step: TrialStep): void {
  const { state, underway } = trial;
  if (step.do === 'conclude') return attempts.concluded(state, noon);
  if (step.do === 'record') {
    const sessionIds = verdictsToRecord(state).map(({ ref }) => ref.sessionId);
    trial.recording = { version: state.version, sessionIds };
    return void (underway.recording = true);
  }
  if (step.do === 'time') return void (underway.timing = true);
  if (step.do === 'complete') return;
  const index = step.attempt;
  if (step.do === 'begin') {
    trial.started.push(index);
    attempts.attemptStarted(state, index, noon);
  } else if (step.do === 'choose') attempts.stepChosen(state, index, `cmd_${trial.commands++}`, noon);
  else if (step.do === 'pass') attempts.planDone(state, index, noon);
  else if (step.do === 'listen') underway.listening.push(index);
  else if (step.do === 'stopListening') underway.listening = underway.listening.filter((other) => other !== index);
  else underway.talking.push(index);
}

function property(check: (trial: Trial) => void): void {
  fc.assert(
    fc.property(lives, ({ happenings, ...life }) => {
      const trial = start(life);
      check(trial);
      for (const one of happenings) {
        happen(trial, one);
        check(trial);
      }
    }),
    { numRuns: 400 },
  );
}

describe('any life of a trial', () => {
  it('never has more attempts running than maxParallel, and starts each once', () => {
    property(({ state, started }) => {
      const running = state.attempts.filter(({ phase }) => phase === 'running').length;
      expect(running).toBeLessThanOrEqual(state.spec.maxParallel);
      expect(new Set(started).size).toBe(started.length);
    });
  });

  it('gives a verdict only to attempts that ended, and passed only where the whole plan was run', () => {
    property(({ state }) => {
      for (const [index, { phase, verdict, done }] of state.attempts.entries()) {
        if (verdict !== null) expect(phase).toBe('ended');
        if (verdict === 'passed') expect(done).toBe(attempts.planOf(state, index).length);
      }
    });
  });

  it('tells each session that was started its verdict once, after the end of its attempt', () => {
    property(({ state, underway, recorded }) => {
      expect(new Set(recorded).size).toBe(recorded.length);
      const isOver = nextTrialStep(state, underway as TrialUnderway)?.do === 'complete';
      for (const [index, { phase, session }] of state.attempts.entries()) {
        const isTold = recorded.includes(state.spec.attempts[index]!.session.sessionId);
        if (isTold) expect(phase).toBe('ended');
        if (isOver) expect(isTold).toBe(session !== 'unstarted');
      }
    });
  });

  it('is completed when an attempt got a verdict, failed when none could, and stays what it is', () => {
    fc.assert(
      fc.property(lives, ({ happenings, ...life }) => {
        const trial = start(life);
        let over: unknown;
        for (const one of happenings) {
          happen(trial, one);
          const { state } = trial;
          const { state: name, endedAt } = trialDocument(state);
          if (over !== undefined) expect({ name, endedAt }).toEqual(over);
          if (name === 'running') continue;
          over = { name, endedAt };
          expect(state.attempts.every(({ phase }) => phase === 'ended')).toBe(true);
          if (name === 'completed') expect(state.attempts.some(({ verdict }) => verdict !== null)).toBe(true);
          if (name === 'failed') expect(state.attempts.every(({ verdict }) => verdict === null)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('keeps a state that survives JSON', () => {
    property(({ state }) => expect(JSON.parse(JSON.stringify(state))).toEqual(state));
  });

  it('runs one command of an attempt at a time, each under an id of its own', () => {
    property(({ state }) => {
      for (const { commandIds, turn, done, current, phase } of state.attempts) {
        expect(new Set(commandIds).size).toBe(commandIds.length);
        if (phase === 'running') expect(commandIds.length + (turn ? 1 : 0)).toBe(done + (current ? 1 : 0));
      }
    });
  });

  it('tells a query of a command once its session was told of it, and from then on', () => {
    const plans = [{ commands: ['test' as const, 'test' as const], asks: false }];
    const { state } = start({ plans, verify: [], maxParallel: 1, budget: {}, stopWhen: undefined });
    const { sessionId } = state.spec.attempts[0]!.session;
    const shown = () => describedTrial(state).sessions[0]!.commandIds;
    const report = (commandId: string) =>
      attempts.commandReported(state, { sessionId, commandId, result: ended('exited', 0) }, noon);
    attempts.attemptStarted(state, 0, noon);
    attempts.sessionStarted(state, 0);
    attempts.sessionReported(state, { sessionId, state: 'ready', failure: null }, noon);
    attempts.stepChosen(state, 0, 'cmd_lost', noon);
    expect(trialDocument(state).sessions[0]!.commandIds).toEqual(['cmd_lost']);
    expect(shown()).toEqual([]);
    attempts.stepSent(state, 0, 'cmd_lost');
    expect(shown()).toEqual(['cmd_lost']);
    // Sent again after a silence.
    attempts.stepSilent(state, 0, 'cmd_lost');
    expect(shown()).toEqual(['cmd_lost']);
    report('cmd_lost');
    attempts.stepChosen(state, 0, 'cmd_2', noon);
    expect(shown()).toEqual(['cmd_lost']);
  });

  it('passes no attempt whose turn was not completed', () => {
    property(({ state }) => {
      for (const [index, { verdict, turn }] of state.attempts.entries()) {
        if (verdict === 'passed' && state.spec.attempts[index]!.message) expect(turn?.outcome).toBe('completed');
      }
    });
  });

  it('lets no turn begin or go on once its tokens are used up, and tells its session to stop', () => {
    property(({ state }) => {
      const { tokens: bound = Infinity } = state.spec.budget!;
      if (trialDocument(state).usage.tokens < bound) return;
      for (const [index, { phase, turn, toStop, reason }] of state.attempts.entries()) {
        if (phase === 'ended') continue;
        expect(state.spec.attempts[index]!.message === undefined || turn?.outcome === 'completed').toBe(true);
        expect({ toStop, reason }).toEqual({ toStop: null, reason: null });
      }
    });
  });

  it('ends with the first that passes where it is told so, and says which', () => {
    property(({ state }) => {
      const passed = state.attempts.filter(({ verdict }) => verdict === 'passed').length;
      if (state.spec.stopWhen !== 'passed' || passed === 0) return;
      expect(passed).toBe(1);
      expect(state.attempts.every(({ phase }) => phase === 'ended')).toBe(true);
    });
  });
});

describe('what a trial says of how it ended', () => {
  const both = () =>
    newTrialState(sampleTrial([{ commands: [], message: sampleTurn('a') }, ['b']], { maxParallel: 2 }));
  const begin = (state: TrialState, index: number) => {
    attempts.attemptStarted(state, index, noon);
    attempts.sessionStarted(state, index);
    const { sessionId } = state.spec.attempts[index]!.session;
    attempts.sessionReported(state, { sessionId, state: 'ready', failure: null }, noon);
    attempts.stepChosen(state, index, `cmd_${index}`, noon);
  };
  const reported = (state: TrialState, outcome: TurnOutcome | null, costUsd = 0): void => {
    const [{ session, message }] = state.spec.attempts as [(typeof state.spec.attempts)[number]];
    const usage = { steps: 1, inputTokens: 7, outputTokens: 3, cachedInputTokens: 0, costUsd };
    const end = outcome && { outcome, reason: 'tokens' };
    attempts.turnReported(state, { sessionId: session.sessionId, turnId: message!.id, usage, end }, noon);
  };

  it('names the outcome of a turn that was not completed', () => {
    const state = both();
    begin(state, 0);
    reported(state, 'limit_reached');
    expect(trialDocument(state).sessions[0]).toMatchObject({
      verdict: 'failed',
      reason: 'its turn ended as limit_reached: tokens',
    });
  });

  it('stops the turn that goes on when the budget is used up, and judges what needs none', () => {
    const state = both();
    state.spec.budget = { costUsd: 0.5 };
    begin(state, 0);
    begin(state, 1);
    reported(state, null, 0.5);
    const { reason, usage, sessions } = trialDocument(state);
    expect(usage).toEqual({ tokens: 10, costUsd: 0.5 });
    expect(reason).toBe('the budget of the trial is used up: $0.5000 of $0.5');
    expect(sessions.map(({ state: is }) => is)).toEqual(['ended', 'running']);
    const turnId = state.spec.attempts[0]!.message!.id;
    expect(state.attempts[0]!.toStop).toEqual({ what: 'turn', id: turnId, reason: 'trial_budget_cost' });
  });

  it('stops the others when one has passed', () => {
    const state = both();
    state.spec.stopWhen = 'passed';
    begin(state, 0);
    begin(state, 1);
    reported(state, 'completed');
    attempts.planDone(state, 0, noon);
    const { reason, sessions } = trialDocument(state);
    expect(reason).toBe('attempt 1 passed');
    expect(sessions[1]).toMatchObject({ state: 'ended', verdict: null, reason: 'another attempt passed' });
    expect(state.attempts[1]!.toStop).toEqual({ what: 'command', id: 'cmd_1', reason: 'trial_attempt_passed' });
  });
});
