import { expect, test } from 'vitest';
import type { Seen } from './followers.ts';
import { keepsFiles } from './kept-files.ts';

function event(sequence: number, type: string, change: Partial<Seen> = {}): Seen {
  return { cursor: `a-${sequence}`, id: `evt_${sequence}`, type, commandId: null, digest: '', ...change };
}

const history = [
  event(1, 'command.ended', { commandId: 'before' }),
  event(2, 'checkpoint.created'),
  event(3, 'command.ended', { commandId: 'between' }),
  event(4, 'session.restored', { checkpointId: 'chk_1' }),
  event(5, 'command.ended', { commandId: 'after' }),
];
const commands = ['before', 'between', 'after', 'unknown'];

test('files stay where their command ended before the checkpoint that was restored, or after the restore', () => {
  expect(commands.filter(keepsFiles(history, new Map([['chk_1', 'a-2']])))).toEqual(['before', 'after']);
});

test('nothing from before stays where there was no checkpoint to restore', () => {
  expect(commands.filter(keepsFiles(history, new Map()))).toEqual(['after']);
});

test('every file stays in a session that was never restored', () => {
  const undisturbed = history.filter(({ type }) => type !== 'session.restored');
  expect(commands.filter(keepsFiles(undisturbed, new Map()))).toEqual(['before', 'between', 'after']);
});
