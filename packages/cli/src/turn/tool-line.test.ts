import { expect, test } from 'vitest';
import { toolLine } from './tool-line.ts';

test.each([
  ['run_command', { command: 'npm test', cwd: 'web' }, 'run_command  $ npm test  in web'],
  ['read_file', { path: 'src/a.ts' }, 'read_file  src/a.ts'],
  ['read_file', { path: 'src/a.ts', firstLine: 10, lines: 5 }, 'read_file  src/a.ts:10-14'],
  ['search_text', { pattern: 'a b', path: 'src' }, 'search_text  "a b" in src'],
  ['list_files', {}, 'list_files'],
  ['apply_patch', { patch: '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n--- a/y\n+++ b/y\n' }, 'apply_patch  x y'],
  ['update_plan', { items: [{ text: 'look', state: 'open' }] }, 'update_plan'],
  ['of_another_agent', { odd: 1 }, 'of_another_agent  {"odd":1}'],
])('%s %j is one line', (tool, input, line) => expect(toolLine(tool, JSON.stringify(input))).toBe(line));

test('input that is no object is shown as it is, without what a terminal would act on, and bounded', () => {
  expect(toolLine('x\u001b[2J', 'no\u0007 json\n')).toBe('x  no\ufffd json ');
  expect(toolLine('x', '"y"')).toBe('x  "y"');
  expect(toolLine('x', 'y'.repeat(100_000)).length).toBeLessThan(1_000);
});
