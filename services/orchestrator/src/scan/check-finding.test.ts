import { expect, test } from 'vitest';
import type { CommandResult } from '@worktrail/contract/commands';
import { suggestionLimits } from '@worktrail/contract/suggestions';
import { checkFinding } from './check-finding.ts';
import { namedLines } from './named-lines.ts';

const result = (changes: Partial<CommandResult> = {}): CommandResult => ({
  ...{ outcome: 'exited', reason: null, exitCode: 1, signal: null, stdoutBytes: 1, stderrBytes: 0 },
  ...changes,
});
const output = (command: string, text = '') => ({ sessionId: 'ses', commandId: 'cmd', command, text });

test('a failing check is known by its command alone', () => {
  const one = checkFinding(output('npm test', 'a'), result()).finding;
  const two = checkFinding(output('npm test', 'b'), result({ exitCode: 2 })).finding;
  expect(one.title).toBe('The check "npm test" exits with 1');
  expect(two.fingerprint).toBe(one.fingerprint);
  expect(checkFinding(output('npm  test'), result()).finding.fingerprint).not.toBe(one.fingerprint);
  expect(checkFinding(output('x'), result({ outcome: 'timed_out', exitCode: null })).finding.title).toContain(
    'ends as timed_out',
  );
});

test('whatever it is called and prints: one plain line, a bounded description', () => {
  const long = checkFinding(output(`echo \u001b[2J\n${'x'.repeat(10_000)}`, 'line\n'.repeat(2_000)), result()).finding;
  expect(long.title).not.toMatch(/\p{Cc}/u);
  expect(long.title.length).toBeLessThanOrEqual(suggestionLimits.titleLengthMax);
  expect(long.description.length).toBeLessThanOrEqual(suggestionLimits.descriptionLengthMax);
});

test.each([
  ['src/a.ts:12:3 - error TS1', ['src/a.ts:12']],
  ['./lib/b.py:7: in test\n  File "app/c.py", line 9, in f', ['lib/b.py:7', 'app/c.py:9']],
  ['at f (pkg/d.js:4:1)', ['pkg/d.js:4']],
  ['E.java(33): wrong', ['E.java:33']],
  ['12:30:11 done, http://a.b:80/x, version 1.2:3, src/a.ts:0', []],
])('%j names %j', (text, expected) => {
  expect(namedLines(text).map(({ path, firstLine }) => `${path}:${firstLine}`)).toEqual(expected);
});

test('so many lines are named and no more, each once', () => {
  expect(namedLines('a.ts:1\n'.repeat(5))).toHaveLength(1);
  expect(namedLines(Array.from({ length: 99 }, (_, line) => `a.ts:${line + 1}`).join('\n'))).toHaveLength(10);
});
