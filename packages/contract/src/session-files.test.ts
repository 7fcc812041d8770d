import fc from 'fast-check';
import { expect, test } from 'vitest';
import { workTreePathProblem } from './session-files.ts';

test('a path that is taken never leads out of the work tree or into .git', () => {
  const part = fc.oneof(fc.constantFrom('..', '.', '', '.git', 'a', '.gitignore', 'é', '-rf', '...'), fc.string());
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
      const path = parts.join('/');
      if (workTreePathProblem(path) !== null) return;
      const names = path.split('/');
      expect(names.some((name) => ['', '.', '..', '.git'].includes(name))).toBe(false);
      expect(path.includes('\0')).toBe(false);
    }),
  );
});

test('ordinary paths are taken, and what is wrong with others is said', () => {
  for (const path of ['README.md', 'src/index.js', 'a b/ü/-x', '.gitignore', '...', 'x'.repeat(255)]) {
    expect(workTreePathProblem(path)).toBeNull();
  }
  for (const path of [
    '',
    '/etc/passwd',
    'a//b',
    'a/',
    './a',
    'a/../b',
    '..',
    '.git/config',
    'a/.git',
    '.GIT/config',
    'a\0b',
    '\ud800',
  ]) {
    expect(workTreePathProblem(path)).not.toBeNull();
  }
  expect(workTreePathProblem('é'.repeat(128))).toContain('255');
  expect(workTreePathProblem(Array.from({ length: 50 }, () => 'x'.repeat(99)).join('/'))).toContain('4096');
});
