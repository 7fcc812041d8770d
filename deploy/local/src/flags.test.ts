import { expect, test } from 'vitest';
import { type Flags, parseFlags, wantsDemo } from './flags.ts';

const none: Flags = { stateDirectory: undefined, port: undefined, once: false, help: false, demo: undefined };

test('no flags, and all of them', () => {
  expect(parseFlags([])).toEqual(none);
  expect(parseFlags(['--state', '/s', '--once', '--demo'])).toEqual({
    ...none,
    stateDirectory: '/s',
    once: true,
    demo: true,
  });
  expect(parseFlags(['--no-demo'])).toEqual({ ...none, demo: false });
  expect(parseFlags(['--port', '8080'])).toEqual({ ...none, port: 8_080 });
});

test('an unknown flag, a stray word and contradictions are refused with the reason', () => {
  expect(parseFlags(['--fast'])).toContain("'--fast'");
  expect(parseFlags(['demo'])).toContain("'demo'");
  expect(parseFlags(['--demo', '--no-demo'])).toContain('contradict');
  expect(parseFlags(['--state='])).toContain('--state');
  for (const port of ['0', '65536', 'x', '80.5', '']) expect(parseFlags([`--port=${port}`])).toContain('--port');
});

test('the demonstration runs on the first start and with --once, unless it is refused or asked for', () => {
  expect(wantsDemo(none, true)).toBe(true);
  expect(wantsDemo(none, false)).toBe(false);
  expect(wantsDemo({ ...none, once: true }, false)).toBe(true);
  expect(wantsDemo({ ...none, once: true, demo: false }, true)).toBe(false);
  expect(wantsDemo({ ...none, demo: true }, false)).toBe(true);
});
