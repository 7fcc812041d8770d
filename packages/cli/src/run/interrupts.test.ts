import { expect, test } from 'vitest';
import { interruptStep } from './interrupts.ts';
import { stdinMode } from './stdin-source.ts';

test('Ctrl-C interrupts, then cancels, then leaves the command alone', () => {
  expect([1, 2, 3, 4].map((count) => interruptStep(count, true))).toEqual(['signal', 'cancel', 'detach', 'detach']);
});

test('a command that has not started is canceled at once', () => {
  expect([1, 2, 3].map((count) => interruptStep(count, false))).toEqual(['cancel', 'cancel', 'detach']);
});

test('a terminal is passed on only when asked for; a pipe always, unless refused', () => {
  expect(stdinMode({ isTerminal: true, interactive: false, closed: false })).toBe('empty');
  expect(stdinMode({ isTerminal: true, interactive: true, closed: false })).toBe('stream');
  expect(stdinMode({ isTerminal: false, interactive: false, closed: false })).toBe('stream');
  expect(stdinMode({ isTerminal: false, interactive: true, closed: true })).toBe('empty');
});
