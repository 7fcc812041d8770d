import { expect, test } from 'vitest';
import { chatCommands, chatHelp, chatLine } from './chat-line.ts';

test.each([
  ['  ', { kind: 'nothing' }],
  [' Why? ', { kind: 'message', text: 'Why?' }],
  ['/turns', { kind: 'command', command: 'turns' }],
  ['/diff now', { kind: 'command', command: 'diff' }],
  ['/diffs', { kind: 'unknown', name: 'diffs' }],
  ['/', { kind: 'unknown', name: '' }],
  ['//etc/hosts: what is it?', { kind: 'message', text: '/etc/hosts: what is it?' }],
])('%j is %j', (line, read) => expect(chatLine(line)).toEqual(read));

test('the help names every command', () => {
  for (const command of chatCommands) if (command !== 'help') expect(chatHelp).toContain(`/${command}`);
});
