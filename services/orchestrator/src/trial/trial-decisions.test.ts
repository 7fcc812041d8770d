import type { CommandOutcome, CommandResult } from '@worktrail/contract/commands';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleTrial } from '../../test/trial-client.ts';
import * as attempts from './attempts.ts';
import { nextTrialStep, type TrialStep, type TrialUnderway } from './next-step.ts';
import { newTrialState, type TrialState, trialDocument } from './state.ts';

const noon = '2026-01-01T12:00:00.000Z';
const outcomes: CommandOutcome[] = ['exited', 'timed_out', 'canceled', 'host_lost'];

interface Trial {
  state: TrialState;
  underway: { talking: number[]; listening: number[]; recording: boolean };
  commands: number;
  started: number[];
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
  fc.record({ kind: fc.constant('silence' as const), pick: fc.nat(5) }),
  fc.record({ kind: fc.constant('recorded' as const) }),
  fc.record({ kind: fc.constant('continueAsNew' as const) }),
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const) }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const lives = fc.record({
  plans: fc.array(fc.array(fc.constant('test'), { maxLength: 3 }), { minLength: 1, maxLength: 4 }),
  verify: fc.array(fc.constant('verify'), { maxLength: 2 }),
  maxParallel: fc.integer({ min: 1, max: 3 }),
  happenings: fc.array(happening, { maxLength: 80, size: 'max' }),
});

function start(plans: string[][], verify: string[], maxParallel: number): Trial {
  const state = newTrialState(sampleTrial(plans, { verify, maxParallel }));
  const trial: Trial = {
    state,
    underway: { talking: [], listening: [], recording: false },
    commands: 0,
    started: [],
  };
  act(trial);
  return trial;
}

function happen(trial: Trial, one: Happening): void {
  const { state, underway } = trial;
  if (one.kind === 'recorded') {
    if (underway.recording) state.recordedVersion = state.version;
    underway.recording = false;
  } else if (one.kind === 'continueAsNew') {
    trial.state = JSON.parse(JSON.stringify(state)) as TrialState;
    trial.underway = { talking: [], listening: [], recording: false };
  } else if (one.kind === 'cancel') attempts.trialCanceled(state, noon);
  else happenTo(trial, one.pick % state.attempts.length, one);
  act(trial);
}

function happenTo(
  trial: Trial,
  index: number,
  one: Exclude<Happening, { kind: 'recorded' | 'continueAsNew' | 'cancel' }>,
) {
  const { state, underway } = trial;
  const attempt = state.attempts[index]!;
  const { sessionId } = state.spec.attempts[index]!.session;
  if (one.kind === 'talked' && underway.talking.includes(index)) {
    underway.talking = underway.talking.filter((other) => other !== index);
    if (attempt.toStop !== null) attempts.commandStopped(state, index);
    else if (attempt.session === 'unstarted') attempts.sessionStarted(state, index);
    else if (attempt.current) attempts.commandSent(state, index, attempt.current.commandId);
  }
  if (one.kind === 'ready' && attempt.session !== 'unstarted') {
    attempts.sessionReported(state, { sessionId, state: 'ready', failure: null }, noon);
  }
  if (one.kind === 'sessionFailed' && attempt.session !== 'unstarted') {
    attempts.sessionReported(state, { sessionId, state: 'failed', failure: { code: 'internal', detail: 'x' } }, noon);
  }
  if (one.kind === 'silence' && underway.listening.includes(index)) {
    underway.listening = underway.listening.filter((other) => other !== index);
    attempts.commandSilent(state, index, attempt.current?.commandId ?? '');
  }
  if (one.kind === 'reported') {
    const commandId = one.late ? attempt.commandIds[0] : attempt.current?.commandId;
    const result = ended(one.outcome, one.exitCode);
    if (commandId && (one.late || attempt.current?.sent)) {
      attempts.commandReported(state, { sessionId, commandId, result }, noon);
    }
  }
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
  if (step.do === 'record') return void (underway.recording = true);
  if (step.do === 'complete') return;
  const index = step.attempt;
  if (step.do === 'begin') {
    trial.started.push(index);
    attempts.attemptStarted(state, index, noon);
  } else if (step.do === 'chooseCommand') attempts.commandChosen(state, index, `cmd_${trial.commands++}`, noon);
  else if (step.do === 'pass') attempts.planDone(state, index, noon);
  else if (step.do === 'listen') underway.listening.push(index);
  else if (step.do === 'stopListening') underway.listening = underway.listening.filter((other) => other !== index);
  else underway.talking.push(index);
}

function property(check: (trial: Trial) => void): void {
  fc.assert(
    fc.property(lives, ({ plans, verify, maxParallel, happenings }) => {
      const trial = start(plans, verify, maxParallel);
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

  it('is completed when an attempt got a verdict, failed when none could, and stays what it is', () => {
    fc.assert(
      fc.property(lives, ({ plans, verify, maxParallel, happenings }) => {
        const trial = start(plans, verify, maxParallel);
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
      for (const { commandIds, done, current, phase } of state.attempts) {
        expect(new Set(commandIds).size).toBe(commandIds.length);
        if (phase === 'running') expect(commandIds.length).toBe(done + (current ? 1 : 0));
      }
    });
  });
});
