// What models cost that something in the sandbox has called: counted once, against the limits of the turn and of the session.

import { type AgentKind, agentLimitsNone } from '@worktrail/contract/agents';
import type { ModelsCalled } from '@worktrail/contract/session-messages';
import { modelStepProducer, type TokenUsage } from '@worktrail/contract/turns';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleSession, sampleTurn } from '../../test/samples.ts';
import { modelsCalled } from './models-called.ts';
import { nextStep } from './next-step.ts';
import { newSessionState, type SessionState } from './state.ts';
import { agentBegun, agentEnded, currentTurn, messageTaken, modelAnswered, turnBegun, turnCanceled } from './turns.ts';

const noon = '2026-01-01T12:00:00.000Z';
const idle = {
  ...{ following: [], sandbox: false, checkpoint: false, reverting: false, changing: false, model: true },
  ...{
    agent: true,
    tool: false,
    updating: false,
    endingLost: false,
    endingLeft: false,
    recording: true,
    reporting: true,
  },
  alarmAtMs: null,
};

function session(limits: Partial<typeof agentLimitsNone> = {}): SessionState {
  const state = newSessionState(sampleSession({ agentLimits: { ...agentLimitsNone, ...limits } }));
  return Object.assign(state, { phase: 'ready', sandboxOpen: true });
}

function begin(state: SessionState, kind: AgentKind, limits = {}) {
  const spec = sampleTurn('look', limits);
  messageTaken(state, { ...spec, agent: { ...spec.agent, kind } }, noon);
  turnBegun(state, currentTurn(state)!, noon);
  const turn = currentTurn(state);
  if (kind !== 'built_in' && turn) agentBegun(state, turn);
  return spec;
}

function called(inputTokens: number, costUsd = 0, meterId = 'a'): ModelsCalled {
  return { meterId, used: { inputTokens, outputTokens: 0, cachedInputTokens: 0, costUsd } };
}

const told = (state: SessionState, kind: string) =>
  state.events.flatMap(({ draft }) => (draft.payload.case === kind ? [draft.payload.value] : []));
const next = (state: SessionState) => nextStep(state, idle, Date.parse(noon))?.do;
const tokens = ({ inputTokens, outputTokens }: TokenUsage) => inputTokens + outputTokens;

describe('models that something in a sandbox calls', () => {
  it('count for the session, each call once, whatever is told twice or late', () => {
    const told = fc.record({ meterId: fc.constantFrom('a', 'b'), inputTokens: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(told), (all) => {
        const state = session();
        for (const { meterId, inputTokens } of all) modelsCalled(state, called(inputTokens, 0, meterId), noon);
        const most = (id: string) =>
          Math.max(0, ...all.filter(({ meterId }) => meterId === id).map((one) => one.inputTokens));
        expect(state.turns.usage).toEqual({ steps: 0, tokens: most('a') + most('b'), costUsd: 0, seconds: 0 });
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      }),
    );
  });

  it('are of the turn that goes on meanwhile, whose agent may count them as well', () => {
    const state = session();
    modelsCalled(state, called(100, 1), noon);
    const spec = begin(state, 'custom');
    modelsCalled(state, called(150, 2), noon);
    const said = { inputTokens: 40, outputTokens: 30, cachedInputTokens: 0, costUsd: 0 };
    const result = { kind: 'ended', outcome: 'completed', reason: '', steps: 1, usage: said } as const;
    agentEnded(state, spec.id, { ...result, conversation: null }, noon);
    // Of the 70 that it tells of, 50 were counted as they were used.
    expect(state.turns.usage).toEqual({ steps: 1, tokens: 170, costUsd: 2, seconds: 0 });
    expect(told(state, 'turnEnded')).toMatchObject([{ usage: { inputTokens: 40, outputTokens: 30, costUsd: 1 } }]);
  });

  it('come on top of what the built-in agent asks its own model', () => {
    const state = session();
    const spec = begin(state, 'built_in');
    modelsCalled(state, called(50), noon);
    const usage = { inputTokens: 10, outputTokens: 1, cachedInputTokens: 0, costUsd: 0.5 };
    modelAnswered(state, modelStepProducer(spec.id, 1), { finish: 'stop', usage, tools: [] }, noon);
    expect(state.turns.usage).toEqual({ steps: 1, tokens: 61, costUsd: 0.5, seconds: 0 });
    expect(tokens((told(state, 'turnEnded')[0] as unknown as { usage: TokenUsage }).usage)).toBe(61);
  });

  it.each<[AgentKind, object, object, string]>([
    ['custom', { tokens: 50 }, {}, 'tokens'],
    ['built_in', { tokens: 50 }, {}, 'tokens'],
    ['custom', { costUsd: 2 }, {}, 'cost'],
    ['custom', {}, { tokens: 150 }, 'session_tokens'],
    ['built_in', {}, { costUsd: 3 }, 'session_cost'],
  ])('of a turn of %s with the limits %j, in a session with %j, stop it at %s', (kind, ofTurn, ofSession, limit) => {
    const state = session(ofSession);
    modelsCalled(state, called(100, 1), noon);
    const spec = begin(state, kind, ofTurn);
    modelsCalled(state, called(149, 2.9), noon);
    expect(next(state)).not.toBe('stopTurn');
    modelsCalled(state, called(150, 3), noon);
    modelsCalled(state, called(160, 3), noon);
    expect(told(state, 'limitReached')).toMatchObject([{ limit }]);
    expect(next(state)).toBe('stopTurn');
    turnCanceled(state, spec.id, limit, noon);
    expect(next(state)).not.toBe('stopTurn');
  });

  it('are waited for by nobody: without a turn nothing is told, and the next one ends at once', () => {
    const state = session({ tokens: 100 });
    modelsCalled(state, called(100), noon);
    expect(told(state, 'limitReached')).toEqual([]);
    begin(state, 'custom');
    expect(told(state, 'turnEnded')).toMatchObject([{ outcome: 'limit_reached', reason: 'session_tokens' }]);
  });
});
