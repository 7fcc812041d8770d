// What a trial hears of the turn that it wanted.

import { trialWorkflowId } from '@worktrail/contract/trial-messages';
import { modelStepProducer, type TurnSpec } from '@worktrail/contract/turns';
import { describe, expect, it } from 'vitest';
import { sampleSession, sampleTurn } from '../../test/samples.ts';
import type { ModelStepResult } from '../agent/model-step-messages.ts';
import { failed } from './life.ts';
import { newSessionState, type SessionState } from './state.ts';
import { turnCanceled } from './turn-ends.ts';
import { toolBegun } from './turn-tools.ts';
import { currentTurn, messageTaken, modelAnswered, turnBegun } from './turns.ts';

const noon = '2026-01-01T12:00:00.000Z';
const workflowId = trialWorkflowId('trl_1');

function asked(steps: boolean): { state: SessionState; spec: TurnSpec } {
  const state = newSessionState(sampleSession({ trialId: 'trl_1' }));
  Object.assign(state, { phase: 'ready', sandboxOpen: true });
  const spec = sampleTurn('Mend it.');
  messageTaken(state, spec, noon, { workflowId, steps });
  turnBegun(state, currentTurn(state)!, noon);
  return { state, spec };
}

function step(state: SessionState, spec: TurnSpec, number: number, tools: ModelStepResult['tools']): void {
  const usage = { inputTokens: 10, outputTokens: 1, cachedInputTokens: 0, costUsd: 0.5 };
  modelAnswered(state, modelStepProducer(spec.id, number), { finish: 'stop', usage, tools }, noon);
}

const plan = (id: string): ModelStepResult['tools'] => [
  { id, tool: 'update_plan', inputJson: '{}', kind: 'plan', items: [] },
];
const usage = (steps: number) => ({
  ...{ steps, inputTokens: 10 * steps, outputTokens: steps },
  ...{ cachedInputTokens: 0, costUsd: 0.5 * steps },
});

describe('a trial that wanted a turn', () => {
  it('hears of its end and what it has used', () => {
    const { state, spec } = asked(false);
    step(state, spec, 1, []);
    const turn = { turnId: spec.id, usage: usage(1), end: { outcome: 'completed', reason: '' } };
    expect(state.reports).toEqual([{ about: 'turn', to: workflowId, turn }]);
  });

  it('hears of each step where it counts them, of two that were not told yet the newer', () => {
    const { state, spec } = asked(true);
    step(state, spec, 1, plan('a'));
    expect(state.reports).toEqual([
      { about: 'turn', to: workflowId, turn: { turnId: spec.id, usage: usage(1), end: null } },
    ]);
    toolBegun(state, currentTurn(state)!, 'cmd_1', noon);
    step(state, spec, 2, plan('b'));
    expect(state.reports).toMatchObject([{ turn: { usage: usage(2), end: null } }]);
  });

  it('hears the end again when it asks again', () => {
    const { state, spec } = asked(false);
    turnCanceled(state, spec.id, 'trial_canceled', noon);
    step(state, spec, 1, []);
    state.reports = [];
    messageTaken(state, spec, noon, { workflowId, steps: false });
    expect(state.reports).toMatchObject([{ turn: { end: { outcome: 'canceled', reason: 'trial_canceled' } } }]);
    expect(state.events.filter(({ draft }) => draft.payload.case === 'messageUser')).toHaveLength(1);
  });

  it('hears that the session has failed before it hears that the turn has', () => {
    const { state } = asked(false);
    failed(state, 'setup_failed', 'it did', noon);
    expect(state.reports.map(({ about }) => about)).toEqual(['session', 'turn']);
    const end = { outcome: 'failed', reason: 'the session has failed: it did' };
    expect(state.reports[1]).toMatchObject({ turn: { end } });
  });
});
