import { expect, it } from 'vitest';
import { sampleCommand, sampleSession, sampleTurn } from '../../../test/samples.ts';
import type { ToolUse } from '../../agent/model-step-messages.ts';
import { acceptCommand } from '../commands.ts';
import type { SessionRun } from '../run.ts';
import { newSessionState } from '../state.ts';
import { currentTurn, messageTaken, toolToConclude, turnBegun } from '../turns.ts';
import { concludeTool } from './agent.ts';

const noon = '2026-01-01T12:00:00.000Z';
const call = { id: 'trn_1-1-0', tool: 'x', inputJson: '{}' };
const command: ToolUse = { ...call, kind: 'command', command: 'ls', cwd: '', timeoutSeconds: 1 };

it.each<[string, ToolUse, string | null]>([
  ['a use of files', { ...call, kind: 'files', use: { tool: 'list_files', path: '' } }, null],
  ['a command that has ended', command, 'cmd_ended'],
  ['a command that is live', command, 'cmd_live'],
  ['a command that was never begun', command, null],
])('%s that is to be concluded is so by one step: the loop does not come back to it at once', (_, use, commandId) => {
  const state = newSessionState(sampleSession());
  Object.assign(state, { phase: 'ready', sandboxOpen: true });
  messageTaken(state, sampleTurn('look'), noon);
  const turn = currentTurn(state)!;
  turnBegun(state, turn, noon);
  acceptCommand(state, sampleCommand('ls', { id: 'cmd_live' }), null, noon);
  turn.stage = 'tools';
  turn.tools = [{ use, state: 'concluding', commandId }];
  const begun: string[] = [];
  const background = { begin: (name: string) => void begun.push(name) };
  concludeTool({ state, background } as unknown as SessionRun, turn);
  expect(toolToConclude(turn)).toBeUndefined();
  // Of what nobody does anything the end is told, unless the next step tells it.
  expect(turn.toTell !== null).toBe(use.kind === 'command' && commandId !== null);
  if (begun.length === 0 && turn.toTell === null) expect(state.events.at(-1)!.draft.payload.case).toBe('toolEnded');
});
