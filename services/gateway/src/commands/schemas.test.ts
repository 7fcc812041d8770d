import { expect, test } from 'vitest';
import { fieldErrors } from '../http/body.ts';
import { createCommandSchema, signalSchema } from './schemas.ts';

const wrongPaths = (value: unknown) => {
  const result = createCommandSchema.safeParse(value);
  return result.success ? [] : fieldErrors(result.error.issues).map(({ path }) => path);
};

test('a command needs nothing but its text', () => {
  expect(createCommandSchema.parse({ command: 'true' })).toEqual({
    command: 'true',
    cwd: '',
    env: {},
    background: false,
  });
});

test.each([
  ['', ''],
  ['.', ''],
  ['a/b/', 'a/b'],
  ['./a/../b', 'b'],
  ['a//b', 'a/b'],
])('the working directory %j is %j in the work tree', (given, expected) => {
  expect(createCommandSchema.parse({ command: 'true', cwd: given }).cwd).toBe(expected);
});

test.each([
  [{ command: '' }, 'command'],
  [{ command: 'x'.repeat(131_073) }, 'command'],
  [{ command: 'ü'.repeat(70_000) }, 'command'],
  [{ command: 'a\0b' }, 'command'],
  [{ command: 'true', cwd: '/etc' }, 'cwd'],
  [{ command: 'true', cwd: 'a/../..' }, 'cwd'],
  [{ command: 'true', cwd: '..' }, 'cwd'],
  [{ command: 'true', timeoutSeconds: 0 }, 'timeoutSeconds'],
  [{ command: 'true', timeoutSeconds: 0.5 }, 'timeoutSeconds'],
  [{ command: 'true', timeoutSeconds: 1e9 }, 'timeoutSeconds'],
  [{ command: 'true', env: { '1X': 'x' } }, 'env.1X'],
  [{ command: 'true', env: { X: 1 } }, 'env.X'],
  [{ command: 'true', env: { X: 'x'.repeat(32_769) } }, 'env.X'],
  [{ command: 'true', env: { A: 'x'.repeat(32_768), B: 'x'.repeat(32_768), C: 'x'.repeat(32_768) } }, 'env'],
  [{ command: 'true', stdin: 'x'.repeat(65_537) }, 'stdin'],
  [{ command: 'true', shell: 'zsh' }, 'shell'],
])('%.60j is refused by its field', (value, path) => {
  expect(wrongPaths(value)).toContain(path);
});

test('a signal is named with or without SIG, and from a closed list', () => {
  expect(signalSchema.parse({ signal: 'SIGINT' })).toEqual({ signal: 'INT' });
  expect(signalSchema.parse({ signal: 'TERM' })).toEqual({ signal: 'TERM' });
  expect(signalSchema.safeParse({ signal: 'int' }).success).toBe(false);
  expect(signalSchema.safeParse({ signal: 9 }).success).toBe(false);
});
