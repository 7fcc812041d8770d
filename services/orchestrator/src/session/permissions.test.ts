// What an agent may do, and how it is asked for.

import type { PermissionRule } from '@worktrail/contract/agents';
import { permissionDetail, permissionDetailLengthMax } from '@worktrail/contract/permissions';
import { modelStepProducer, toolCallId, type TurnSpec } from '@worktrail/contract/turns';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleSession, sampleTurn } from '../../test/samples.ts';
import type { ToolUse } from '../agent/model-step-messages.ts';
import { answerRefusal, pendingPermissionsMax, permissionAnswered, permissionFor } from './permissions.ts';
import { newSessionState, type SessionState } from './state.ts';
import { turnEnded } from './turn-ends.ts';
import { toolBegun, toolToBegin } from './turn-tools.ts';
import { currentTurn, messageTaken, modelAnswered, turnBegun } from './turns.ts';

const noon = '2026-01-01T12:00:00.000Z';
const actor = { kind: 'user' as const, id: 'prn_someone' };

function asking(execute: PermissionRule): TurnSpec {
  const spec = sampleTurn('do');
  return { ...spec, agent: { ...spec.agent, permissions: { ...spec.agent.permissions, execute } } };
}

/** A turn whose first step asks for these commands. */
function begin(state: SessionState, spec: TurnSpec, commands: string[]): void {
  Object.assign(state, { phase: 'ready', sandboxOpen: true });
  messageTaken(state, spec, noon);
  turnBegun(state, currentTurn(state)!, noon);
  const tools = commands.map((command, index): ToolUse => {
    const call = { id: toolCallId(spec.id, 1, index), tool: 'run_command', inputJson: '{}' };
    return { ...call, kind: 'command', command, cwd: '', timeoutSeconds: 1 };
  });
  const usage = { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0, costUsd: 0 };
  modelAnswered(state, modelStepProducer(spec.id, 1), { finish: 'tool_calls', usage, tools }, noon);
}

function goOn(state: SessionState): void {
  for (let index = 0; index < 9; index += 1) {
    const turn = currentTurn(state);
    if (turn?.stage === 'tools' && toolToBegin(state, turn)) toolBegun(state, turn, `cmd_${index}`, noon);
  }
}

const names = (state: SessionState) => state.events.map(({ draft }) => draft.payload.case);
const toolEnds = (state: SessionState) =>
  state.events.flatMap(({ draft: { payload } }) => (payload.case === 'toolEnded' ? [payload.value.outputJson] : []));

describe('a use of a tool', () => {
  it('that is allowed is begun without a question', () => {
    const state = newSessionState(sampleSession());
    begin(state, asking('allow'), ['ls']);
    goOn(state);
    expect(state.commands.map(({ spec }) => spec.command)).toEqual(['ls']);
    expect(names(state)).not.toContain('permissionRequested');
  });

  it('that is forbidden is not begun, and the model is told', () => {
    const state = newSessionState(sampleSession());
    begin(state, asking('deny'), ['ls']);
    goOn(state);
    expect(state.commands).toEqual([]);
    expect(toolEnds(state)).toEqual([expect.stringContaining('denied')]);
    expect(currentTurn(state)).toMatchObject({ stage: 'model', step: 2 });
  });

  it('that is asked for waits, and goes on as it is answered', () => {
    const state = newSessionState(sampleSession());
    const spec = asking('ask');
    begin(state, spec, ['ls', 'rm x']);
    goOn(state);
    expect(state.commands).toEqual([]);
    const [first] = state.permissions.pending;
    expect(first).toMatchObject({ permissionId: `${spec.id}-p1`, toolKind: 'execute', detail: 'ls' });
    const answer = { permissionId: first!.permissionId, decision: 'deny' as const, remember: false, actor };
    permissionAnswered(state, answer, noon);
    goOn(state);
    expect(toolEnds(state)).toEqual([expect.stringContaining('denied')]);
    expect(state.permissions.pending).toMatchObject([{ permissionId: `${spec.id}-p2`, detail: 'rm x' }]);
    expect(answerRefusal(state, answer)).toBeNull();
    expect(answerRefusal(state, { ...answer, decision: 'allow' })?.code).toBe('conflict');
    expect(answerRefusal(state, { ...answer, permissionId: `${spec.id}-p3` })?.code).toBe('not_found');
    const before = state.events.length;
    permissionAnswered(state, answer, noon);
    expect(state.events).toHaveLength(before);
  });

  it.each(['allow', 'deny'] as const)('of a kind for which "%s" is remembered is not asked for again', (decision) => {
    const state = newSessionState(sampleSession());
    const first = asking('ask');
    begin(state, first, ['ls']);
    goOn(state);
    permissionAnswered(state, { permissionId: `${first.id}-p1`, decision, remember: true, actor }, noon);
    turnEnded(state, state.turns.live[0]!, 'completed', '', noon);
    const stored = JSON.parse(JSON.stringify(state)) as SessionState;
    begin(stored, asking('ask'), ['pwd']);
    goOn(stored);
    expect(stored.commands.map(({ spec }) => spec.command)).toEqual(decision === 'allow' ? ['pwd'] : []);
    expect(stored.permissions.pending).toEqual([]);
  });

  it('that a later message forbids stays forbidden, whatever is remembered', () => {
    const state = newSessionState(sampleSession());
    state.permissions.remembered.execute = 'allow';
    begin(state, asking('deny'), ['ls']);
    goOn(state);
    expect(state.commands).toEqual([]);
  });
});

it('a question goes with its turn, unanswered', () => {
  const state = newSessionState(sampleSession());
  const spec = asking('ask');
  begin(state, spec, ['ls']);
  goOn(state);
  turnEnded(state, state.turns.live[0]!, 'canceled', 'requested', noon);
  expect(state.permissions.pending).toEqual([]);
  const answer = { permissionId: `${spec.id}-p1`, decision: 'allow' as const, remember: false };
  expect(answerRefusal(state, answer)).toMatchObject({ code: 'conflict', detail: 'its turn has ended' });
  expect(names(state)).not.toContain('permissionAnswered');
});

it('an answer that is remembered answers all that waits of its kind; more than can be answered is denied', () => {
  const state = newSessionState(sampleSession());
  Object.assign(state, { phase: 'ready', sandboxOpen: true });
  const live = asking('ask');
  messageTaken(state, live, noon);
  turnBegun(state, currentTurn(state)!, noon);
  const turn = currentTurn(state)!;
  const ask = (index: number) =>
    permissionFor(state, turn, { toolCallId: `call-${index}`, toolKind: 'execute', detail: 'ls' }, noon);
  const all = Array.from({ length: pendingPermissionsMax }, (_, index) => index);
  expect(all.map(ask)).toEqual(all.map(() => 'pending'));
  expect(ask(pendingPermissionsMax)).toBe('deny');
  const before = state.events.length;
  expect(all.map(ask)).toEqual(all.map(() => 'pending'));
  expect(state.events).toHaveLength(before);
  permissionAnswered(state, { permissionId: `${live.id}-p3`, decision: 'allow', remember: true, actor }, noon);
  expect(all.map(ask)).toEqual(all.map(() => 'allow'));
  expect(names(state).filter((name) => name === 'permissionAnswered')).toHaveLength(pendingPermissionsMax);
});

describe('what somebody is asked', () => {
  it('shows what would steer a terminal', () => {
    expect(permissionDetail('rm a\n\u001b[2Jecho \u202Eb')).toBe('rm a\\n\\u{1b}[2Jecho \\u{202e}b');
  });

  it('is one bounded line that says what it leaves out', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(2 * permissionDetailLengthMax), (some, more) => {
        const text = 'x'.repeat(more) + some;
        const detail = permissionDetail(text);
        expect(detail.length).toBeLessThan(permissionDetailLengthMax + 60);
        expect(detail).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
        expect(detail.isWellFormed()).toBe(true);
        if (text.length > permissionDetailLengthMax) expect(detail).toContain('(cut: ');
      }),
    );
  });
});
