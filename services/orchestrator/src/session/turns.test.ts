// The life of turns: whatever comes, in whatever order, each goes its way and ends once.

import type { CommandResult } from '@worktrail/contract/commands';
import { sessionProducer } from '@worktrail/contract/subjects';
import {
  messageBytesMax,
  modelStepProducer,
  queuedTurnsMax,
  toolCallId,
  type TurnSpec,
} from '@worktrail/contract/turns';
import { agentLimitsNone } from '@worktrail/contract/agents';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { sampleCommand, sampleSession, sampleTurn } from '../../test/samples.ts';
import type { Finish, ModelStepResult, ToolUse } from '../agent/model-step-messages.ts';
import { hibernationDue } from './hibernation.ts';
import { becameReady, commandEnded, failed, toolSandboxGone } from './life.ts';
import { nextStep, type Underway } from './next-step.ts';
import { permissionAnswered } from './permissions.ts';
import { acceptCommand, closeCommand, refusal } from './commands.ts';
import { newestUnrecorded, nextRecord, recorded } from './record.ts';
import { newSessionState, type SessionState } from './state.ts';
import {
  currentTurn,
  messageRefusal,
  isTurnAtRest,
  messageTaken,
  modelAnswered,
  modelFailed,
  modelRepeated,
  toolBegun,
  toolCommandEnded,
  toolConcluded,
  toolLeftToStep,
  toolNotTold,
  toolToBegin,
  turnBegun,
  turnCanceled,
  turnEnded,
  turnOverdueAtMs,
  turnStopped,
  turnTimedOut,
} from './turns.ts';

const noon = '2026-01-01T12:00:00.000Z';
const exited: CommandResult = {
  ...{ outcome: 'exited', reason: null, exitCode: 0, signal: null },
  ...{ stdoutBytes: 0, stderrBytes: 0 },
};

function readySession(): SessionState {
  const state = newSessionState(sampleSession());
  return Object.assign(state, { phase: 'ready', sandboxOpen: true });
}

type Kind = 'command' | 'files' | 'finish' | 'refused';

function answer(turnId: string, step: number, kinds: Kind[], finish: Finish = 'stop'): ModelStepResult {
  const tools = kinds.map((kind, index): ToolUse => {
    const call = { id: toolCallId(turnId, step, index), tool: kind, inputJson: '{}' };
    if (kind === 'command') return { ...call, kind, command: 'ls', cwd: '', timeoutSeconds: 1 };
    if (kind === 'files') return { ...call, kind, use: { tool: 'list_files', path: '' } };
    return kind === 'refused' ? { ...call, kind, detail: 'no' } : { ...call, kind };
  });
  const usage = { inputTokens: 10, outputTokens: 1, cachedInputTokens: 0, costUsd: 0.5 };
  return { finish: tools.length > 0 ? 'tool_calls' : finish, usage, tools };
}

function take(state: SessionState, spec: TurnSpec): void {
  expect(messageRefusal(state, spec)).toBeNull();
  messageTaken(state, spec, noon);
}

function begin(state: SessionState, spec: TurnSpec): void {
  take(state, spec);
  turnBegun(state, currentTurn(state)!, noon);
}

const eventsOf = (state: SessionState, turnId: string) =>
  state.events.filter(({ draft }) => draft.turnId === turnId).map(({ draft }) => draft.payload);
const endOf = (state: SessionState, turnId: string) =>
  eventsOf(state, turnId).flatMap((payload) => (payload.case === 'turnEnded' ? [payload.value] : []));

describe('a turn', () => {
  it('goes from step to step until one asks for nothing', () => {
    const state = readySession();
    const spec = sampleTurn('look');
    begin(state, spec);
    const step = (number: number) => modelStepProducer(spec.id, number);
    modelAnswered(state, step(1), answer(spec.id, 1, ['files', 'command']), noon);
    toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    toolConcluded(state, toolCallId(spec.id, 1, 0), noon);
    toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    expect(state.commands.map(({ spec: { id, turnId, origin } }) => [id, turnId, origin])).toEqual([
      ['cmd_1', spec.id, 'agent'],
    ]);
    closeCommand(state, 'cmd_1', exited, noon);
    toolCommandEnded(state, 'cmd_1');
    toolConcluded(state, toolCallId(spec.id, 1, 1), noon);
    expect(currentTurn(state)).toMatchObject({ stage: 'model', step: 2 });
    modelAnswered(state, step(2), answer(spec.id, 2, []), noon);
    expect(endOf(state, spec.id)).toMatchObject([
      { outcome: 'completed', usage: { steps: 2, inputTokens: 20, costUsd: 1 } },
    ]);
    expect(state.turns.live).toEqual([]);
  });

  it('is over when the agent says so, beside whatever else it asked for', () => {
    const state = readySession();
    const spec = sampleTurn('look');
    begin(state, spec);
    modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, ['refused', 'finish']), noon);
    toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    toolBegun(state, currentTurn(state)!, 'cmd_2', noon);
    expect(endOf(state, spec.id)).toMatchObject([{ outcome: 'completed' }]);
  });

  it.each([
    [{ steps: 1 }, 'steps'],
    [{ tokens: 11 }, 'tokens'],
    [{ costUsd: 0.5 }, 'cost'],
  ])('with the limits %j ends with the name of the limit', (limits, reason) => {
    const state = readySession();
    const spec = sampleTurn('look', limits);
    begin(state, spec);
    modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, ['refused']), noon);
    toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    expect(endOf(state, spec.id)).toMatchObject([{ outcome: 'limit_reached', reason }]);
  });

  it.each([
    [{ steps: 3 }, 'session_steps'],
    [{ tokens: 33 }, 'session_tokens'],
    [{ costUsd: 1.5 }, 'session_cost'],
  ])(
    'in a session with the limits %j ends with the name of the limit, and the next one before it asks',
    (limits, reason) => {
      const state = newSessionState(sampleSession({ agentLimits: { ...agentLimitsNone, ...limits } }));
      Object.assign(state, { phase: 'ready', sandboxOpen: true });
      const [first, second, third] = [sampleTurn('one'), sampleTurn('two'), sampleTurn('three')];
      begin(state, first);
      modelAnswered(state, modelStepProducer(first.id, 1), answer(first.id, 1, []), noon);
      begin(state, second);
      for (const step of [1, 2]) {
        modelAnswered(state, modelStepProducer(second.id, step), answer(second.id, step, ['refused']), noon);
        toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
      }
      begin(state, third);
      expect([first, second, third].map(({ id }) => endOf(state, id)[0]?.outcome)).toEqual([
        ...['completed', 'limit_reached', 'limit_reached'],
      ]);
      expect(endOf(state, second.id)).toMatchObject([{ reason, usage: { steps: 2 } }]);
      expect(endOf(state, third.id)).toMatchObject([{ reason, usage: { steps: 0 } }]);
      expect(eventsOf(state, third.id).filter((payload) => payload.case === 'limitReached')).toHaveLength(1);
      expect(state.turns.usage).toEqual({ steps: 3, tokens: 33, costUsd: 1.5, seconds: 0 });
    },
  );

  it('has what the session has left of its time', () => {
    const state = newSessionState(sampleSession({ agentLimits: { ...agentLimitsNone, seconds: 90 } }));
    Object.assign(state, { phase: 'ready', sandboxOpen: true });
    const [first, second] = [sampleTurn('one', { seconds: 60 }), sampleTurn('two', { seconds: 60 })];
    begin(state, first);
    expect(turnOverdueAtMs(state)).toBe(Date.parse(noon) + 60_000);
    const later = new Date(Date.parse(noon) + 50_000).toISOString();
    modelAnswered(state, modelStepProducer(first.id, 1), answer(first.id, 1, []), later);
    take(state, second);
    turnBegun(state, currentTurn(state)!, later);
    expect(turnOverdueAtMs(state)).toBe(Date.parse(noon) + 90_000);
    const reason = turnTimedOut(state, later);
    turnCanceled(state, second.id, reason, later);
    expect(turnOverdueAtMs(state)).toBe(Infinity);
    turnStopped(state, currentTurn(state)!, later);
    expect(endOf(state, second.id)).toMatchObject([{ outcome: 'limit_reached', reason: 'session_time' }]);
  });

  it('that goes round in circles ends so', () => {
    const state = readySession();
    const spec = sampleTurn('look');
    begin(state, spec);
    modelRepeated(state, modelStepProducer(spec.id, 2), 'late', noon);
    expect(endOf(state, spec.id)).toEqual([]);
    modelRepeated(state, modelStepProducer(spec.id, 1), 'ten times', noon);
    expect(endOf(state, spec.id)).toMatchObject([{ outcome: 'limit_reached', reason: 'repetition' }]);
  });

  it('has its time', () => {
    const state = readySession();
    begin(state, sampleTurn('look', { seconds: 60 }));
    expect(turnOverdueAtMs(state)).toBe(Date.parse(noon) + 60_000);
  });

  it.each(['length', 'content_filter', 'other'] as const)('that the model ends with "%s" has failed', (finish) => {
    const state = readySession();
    const spec = sampleTurn('look');
    begin(state, spec);
    modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, [], finish), noon);
    expect(endOf(state, spec.id)).toMatchObject([{ outcome: 'failed', reason: expect.stringContaining(finish) }]);
  });
});

const nothing: Underway = {
  ...{ following: [], sandbox: false, checkpoint: false, reverting: false, changing: false, updating: false },
  ...{ model: false, agent: false, tool: false },
  ...{ endingLost: false, endingLeft: false, recording: true, reporting: false, alarmAtMs: null },
};
const nowMs = Date.parse(noon);

it('the model is called beside the recording of what came before, and told how far that has to be', () => {
  const state = readySession();
  const spec = sampleTurn('look');
  begin(state, spec);
  const due = (underway: Partial<Underway>) => nextStep(state, { ...nothing, ...underway }, nowMs)?.do;
  // First what is to be waited for.
  expect(due({ recording: false })).toBe('record');
  expect(due({})).toBe('callModel');
  expect(due({ model: true })).not.toBe('callModel');
  expect(newestUnrecorded(state)).toEqual({ producer: sessionProducer, number: state.eventNumber });
  modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, ['files']), noon);
  toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
  expect(newestUnrecorded(state)).toEqual({ producer: toolCallId(spec.id, 1, 0), number: 1 });
  // Who writes the end of a tool waits for its beginning.
  expect(due({ recording: false })).toBe('record');
  expect(due({})).toBe('concludeTool');
  expect(due({ tool: true })).not.toBe('concludeTool');
  recorded(state, nextRecord(state), noon);
  expect(newestUnrecorded(state)).toBeNull();
  expect(due({ recording: false })).toBe('concludeTool');
});

describe('the end of a command that the model wanted', () => {
  const endedAfter = (kinds: Kind[], limits = {}) => {
    const state = readySession();
    const spec = sampleTurn('look', limits);
    begin(state, spec);
    modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, kinds), noon);
    for (const _ of kinds)
      if (toolToBegin(state, currentTurn(state)!)) toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    closeCommand(state, 'cmd_1', exited, noon);
    toolCommandEnded(state, 'cmd_1');
    const toTell = { toolCallId: toolCallId(spec.id, 1, kinds.indexOf('command')), commandId: 'cmd_1', result: exited };
    return { state, spec, toTell, isLeft: toolLeftToStep(state, state.turns.live[0]!, toTell, noon) };
  };

  it('is written down by the step that follows', () => {
    const { state, spec, toTell, isLeft } = endedAfter(['refused', 'command']);
    expect(isLeft).toBe(true);
    expect(currentTurn(state)).toMatchObject({ stage: 'model', step: 2, tools: [], toTell });
    modelAnswered(state, modelStepProducer(spec.id, 2), answer(spec.id, 2, ['refused']), noon);
    expect(currentTurn(state)).toMatchObject({ toTell: null });
  });

  it('is told by the session where that step was not made, before the end of the turn', () => {
    const { state, spec, toTell } = endedAfter(['command']);
    modelFailed(state, modelStepProducer(spec.id, 2), 'no', noon);
    const told = eventsOf(state, spec.id).slice(-2);
    expect(told).toMatchObject([
      { case: 'toolEnded', value: { toolCallId: toTell.toolCallId, failed: true } },
      { case: 'turnEnded' },
    ]);
  });

  it.each([
    ['there is another use to be made', ['command', 'files'] as Kind[], {}],
    ['the turn is over with it', ['finish', 'command'] as Kind[], {}],
    ['a limit leaves no room for another step', ['command'] as Kind[], { steps: 1 }],
  ])('is not left to a step where %s', (_, kinds, limits) => {
    const { state, isLeft } = endedAfter(kinds, limits);
    expect(isLeft).toBe(false);
    expect(state.turns.live[0]).toMatchObject({ step: 1, toTell: null });
  });
});

describe('a turn that is canceled', () => {
  function canceledIn(kind: Kind | null): SessionState {
    const state = readySession();
    state.busyRecorded = true;
    const spec = sampleTurn('look');
    begin(state, spec);
    if (kind) {
      modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, [kind, 'files']), noon);
      toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    }
    turnCanceled(state, spec.id, 'requested', noon);
    return state;
  }

  it('while nothing of it is under way is over at once, whatever the session waits for', () => {
    const state = canceledIn(null);
    state.phase = 'resuming';
    expect(nextStep(state, { ...nothing, sandbox: true }, nowMs)).toEqual({ do: 'endTurn' });
  });

  it.each([
    ['a call of the model', null, { model: true }],
    ['a use of files', 'files' as const, { tool: true }],
    ['a command', 'command' as const, { following: ['cmd_1'] }],
  ])('while %s is under way is over when that is, or a second later', (_, kind, underway) => {
    const state = canceledIn(kind);
    const tool = state.turns.live[0]!.tools[0];
    if (kind === 'files') tool!.state = 'telling';
    for (const command of state.commands) Object.assign(command, { state: 'running', startedAt: noon });
    const isDue = (atMs: number) => nextStep(state, { ...nothing, ...underway }, atMs)?.do === 'endTurn';
    expect([isDue(nowMs), isDue(nowMs + 999), isDue(nowMs + 1_000)]).toEqual([false, false, true]);
    expect(nextStep(state, { ...nothing, ...underway }, nowMs)).toEqual({ do: 'setAlarm', atMs: nowMs + 1_000 });
  });

  it('with a use of files that was given up has that end told by the session, once', () => {
    const state = canceledIn('files');
    const turn = state.turns.live[0]!;
    const toolCallId = turn.tools[0]!.use.id;
    turn.tools[0]!.state = 'telling';
    turnEnded(state, turn, 'canceled', 'requested', noon);
    const ends = () => state.events.filter(({ producer, draft }) => producer === toolCallId && draft.number === 2);
    expect(ends()).toEqual([]);
    toolNotTold(state, turn.spec.id, toolCallId, noon);
    expect(ends()).toHaveLength(1);
  });
});

it('messages beyond the bound are refused, one that is there already is not', () => {
  const state = readySession();
  const specs = Array.from({ length: queuedTurnsMax + 1 }, (_, index) => sampleTurn(`${index}`));
  for (const spec of specs) take(state, spec);
  expect(messageRefusal(state, sampleTurn('more'))?.code).toBe('queued_messages_exceeded');
  expect(messageRefusal(state, specs[3]!)).toBeNull();
  const before = state.events.length;
  messageTaken(state, specs[3]!, noon);
  expect(state.events).toHaveLength(before);
});

it('messages are bounded in bytes together with commands, so that they can be carried over', () => {
  const state = readySession();
  const command = sampleCommand('x'.repeat(700_000));
  expect(refusal(state, command)).toBeNull();
  acceptCommand(state, command, null, noon);
  const large = () => sampleTurn('"'.repeat(messageBytesMax));
  let taken = 0;
  for (; messageRefusal(state, large()) === null; taken += 1) messageTaken(state, large(), noon);
  expect(taken).toBe(2);
  expect(messageRefusal(state, large())?.code).toBe('queued_messages_exceeded');
  expect(messageRefusal(state, sampleTurn('short'))).toBeNull();
  expect(refusal(state, sampleCommand('x'.repeat(100_000)))?.code).toBe('queued_commands_exceeded');
});

it('messages that are canceled while nothing can be stored are bounded too', () => {
  const state = readySession();
  begin(state, sampleTurn('first'));
  let taken = 0;
  for (let next = sampleTurn('x'); messageRefusal(state, next) === null && taken < 100; next = sampleTurn('x')) {
    messageTaken(state, next, noon);
    turnCanceled(state, next.id, 'requested', noon);
    taken += 1;
  }
  expect(taken).toBe(queuedTurnsMax);
  state.events = [];
  expect(messageRefusal(state, sampleTurn('x'))).toBeNull();
});

it('a session that the history shows busy is ready again when its turn ends after its commands', () => {
  const state = readySession();
  const spec = sampleTurn('look');
  begin(state, spec);
  modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, ['command']), noon);
  toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
  state.busyRecorded = true;
  const isReady = () => state.events.some(({ draft }) => draft.payload.case === 'sessionReady');
  commandEnded(state, 'cmd_1', exited, noon);
  toolConcluded(state, toolCallId(spec.id, 1, 0), noon);
  expect([isReady(), state.busyRecorded]).toEqual([false, true]);
  modelAnswered(state, modelStepProducer(spec.id, 2), answer(spec.id, 2, []), noon);
  expect([isReady(), state.busyRecorded]).toEqual([true, false]);
});

describe('a session in which the agent works without a command', () => {
  /** As its readers have it, once all that is due was written down. */
  const shown: string[] = [];
  const told: string[] = [];
  function record(state: SessionState): void {
    const batch = nextRecord(state);
    shown.push(batch.document.state);
    const payloads = batch.events.map(({ draft }) => draft.payload.case ?? '');
    told.push(...payloads.filter((name) => /^(session|turn)/.test(name)));
    recorded(state, batch, noon);
  }
  beforeEach(() => void (shown.splice(0), told.splice(0)));

  it('is shown as busy from the beginning of its turns to the end of the last, and once as ready', () => {
    const state = readySession();
    const [first, second] = [sampleTurn('one'), sampleTurn('two')];
    begin(state, first);
    take(state, second);
    record(state);
    modelAnswered(state, modelStepProducer(first.id, 1), answer(first.id, 1, []), noon);
    record(state);
    turnBegun(state, currentTurn(state)!, noon);
    record(state);
    modelAnswered(state, modelStepProducer(second.id, 1), answer(second.id, 1, []), noon);
    record(state);
    expect(shown).toEqual(['busy', 'busy', 'busy', 'ready']);
    expect(told).toEqual(['sessionBusy', 'turnStarted', 'turnEnded', 'turnStarted', 'turnEnded', 'sessionReady']);
  });

  it('is not put to sleep meanwhile, however long it takes', () => {
    const state = newSessionState(sampleSession({ hibernateAfterSeconds: 5 }));
    Object.assign(state, { phase: 'ready', sandboxOpen: true });
    const spec = sampleTurn('look');
    const day = nowMs + 86_400_000;
    take(state, spec);
    expect(hibernationDue(state)).toBeNull();
    turnBegun(state, currentTurn(state)!, noon);
    record(state);
    expect(hibernationDue(state)).toBeNull();
    const later = new Date(day).toISOString();
    modelAnswered(state, modelStepProducer(spec.id, 1), answer(spec.id, 1, []), later);
    expect(hibernationDue(state)).toEqual({ atMs: day + 5_000, reason: 'idle' });
  });

  it('is shown as busy again when its sandbox was opened anew meanwhile', () => {
    const state = readySession();
    begin(state, sampleTurn('look'));
    record(state);
    toolSandboxGone(state, state.generation, noon);
    record(state);
    state.sandboxOpen = true;
    becameReady(state, noon);
    record(state);
    expect(shown).toEqual(['busy', 'resuming', 'busy']);
    expect(told.slice(-3)).toEqual(['sessionResumed', 'sessionReady', 'sessionBusy']);
  });
});

// ---- whatever comes ----

type Happening =
  | { kind: 'message' }
  | { kind: 'begin' }
  | { kind: 'answer'; tools: Kind[]; late: boolean }
  | { kind: 'modelFails'; late: boolean }
  | { kind: 'toolBegins' }
  | { kind: 'toolTelling' }
  | { kind: 'toolEnds' }
  | { kind: 'toolNotTold' }
  | { kind: 'answerPermission'; decision: 'allow' | 'deny'; remember: boolean }
  | { kind: 'endCanceled'; late: boolean }
  | { kind: 'cancel'; which: number }
  | { kind: 'fail' };

const kinds = fc.constantFrom<Kind>('command', 'files', 'finish', 'refused');
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ kind: 'message' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'begin' as const }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      tools: fc.array(kinds, { maxLength: 3 }),
      late: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('modelFails' as const), late: fc.boolean() }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'toolBegins' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'toolTelling' as const }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'toolEnds' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'toolNotTold' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('answerPermission' as const),
      decision: fc.constantFrom('allow' as const, 'deny' as const),
      remember: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('endCanceled' as const), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'fail' as const }) },
);

/** As the workflow would: nothing is begun that is not due, but what comes back may be late or come twice. */
function happen(state: SessionState, what: Happening, count: number): void {
  const turn = currentTurn(state);
  switch (what.kind) {
    case 'message': {
      const spec = sampleTurn(`${count}`, { steps: 3 });
      if (count % 2 === 0) spec.agent.permissions = { ...spec.agent.permissions, execute: 'ask', read: 'ask' };
      if (messageRefusal(state, spec) === null) messageTaken(state, spec, noon);
      return;
    }
    case 'begin':
      if (turn?.stage === 'queued') turnBegun(state, turn, noon);
      return;
    case 'answer': {
      const known = turn ?? { spec: { id: 'trn_gone' }, step: 1 };
      const step = what.late ? known.step - 1 : known.step;
      modelAnswered(state, modelStepProducer(known.spec.id, step), answer(known.spec.id, step, what.tools), noon);
      return;
    }
    case 'modelFails':
      if (turn) modelFailed(state, modelStepProducer(turn.spec.id, turn.step - (what.late ? 1 : 0)), 'no', noon);
      return;
    case 'toolBegins': {
      if (turn?.stage === 'tools' && turn.cancelReason === null && toolToBegin(state, turn))
        toolBegun(state, turn, `cmd_${count}`, noon);
      return;
    }
    case 'toolTelling': {
      const due = turn?.tools.find((one) => one.state === 'concluding');
      if (due) due.state = 'telling';
      return;
    }
    case 'toolNotTold': {
      const telling = turn?.tools.find((one) => one.state === 'telling');
      if (telling) toolNotTold(state, turn!.spec.id, telling.use.id, noon);
      return;
    }
    case 'answerPermission': {
      const { decision, remember } = what;
      const asked = state.permissions.pending[0];
      if (!asked) return;
      const actor = { kind: 'user', id: 'prn_someone' } as const;
      permissionAnswered(state, { permissionId: asked.permissionId, decision, remember, actor }, noon);
      return;
    }
    case 'endCanceled': {
      const first = state.turns.live[0];
      if (!first || first.cancelReason === null) return;
      const isTelling = first.tools.some((one) => one.state === 'telling');
      const atRest = isTurnAtRest(state, first, { model: false, agent: false, tool: isTelling });
      if (atRest || what.late) turnEnded(state, first, 'canceled', first.cancelReason, noon);
      return;
    }
    case 'toolEnds': {
      for (const { spec } of [...state.commands]) {
        closeCommand(state, spec.id, exited, noon);
        toolCommandEnded(state, spec.id);
      }
      const due = state.turns.live[0]?.tools.find(({ state: is }) => is === 'concluding' || is === 'telling');
      if (!due) return;
      const { use, commandId } = due;
      const toTell = { toolCallId: use.id, commandId: commandId ?? '', result: exited };
      if (commandId !== null && toolLeftToStep(state, state.turns.live[0]!, toTell, noon)) return;
      toolConcluded(state, use.id, noon);
      return;
    }
    case 'cancel': {
      const live = state.turns.live[what.which];
      if (live) turnCanceled(state, live.spec.id, 'requested', noon);
      return;
    }
    case 'fail':
      return failed(state, 'internal', 'something', noon);
  }
}

it('each turn begins at most once and ends at most once, and each tool of it as often as it began, whatever comes', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 80, size: 'max' }), (happenings) => {
      const state = readySession();
      happenings.forEach((what, index) => happen(state, what, index));
      const ids = new Set(state.events.flatMap(({ draft }) => (draft.turnId === undefined ? [] : [draft.turnId])));
      for (const turnId of ids) {
        const payloads = eventsOf(state, turnId);
        const count = (name: string) => payloads.filter((payload) => payload.case === name).length;
        expect(count('messageUser')).toBe(1);
        expect(count('turnStarted')).toBeLessThanOrEqual(1);
        const isLive = state.turns.live.some(({ spec }) => spec.id === turnId);
        expect(endOf(state, turnId)).toHaveLength(isLive ? 0 : 1);
        if (!isLive) expect(payloads.at(-1)?.case).toBe('turnEnded');
        expect(count('permissionAnswered')).toBeLessThanOrEqual(count('permissionRequested'));
      }
      // Each producer's events are numbered from 1 without a hole: a tool's own, those of its start and end.
      const numbers = new Map<string, number[]>();
      for (const { producer, draft } of state.events)
        numbers.set(producer, [...(numbers.get(producer) ?? []), draft.number]);
      for (const of of numbers.values()) expect(of).toEqual(of.map((_, index) => index + 1));
      expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      if (state.phase === 'failed') expect(state.turns.live).toEqual([]);
      const current = state.turns.live[0]?.spec.id;
      for (const { permissionId } of state.permissions.pending)
        expect(permissionId.startsWith(`${current}-`)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
