import { expect, test } from 'vitest';
import { pathMatcher } from './path-pattern.ts';

test.each([
  ['services/gateway', 'services/gateway/src/a.ts', true],
  ['services/gateway/', 'services/gateway/src/a.ts', true],
  ['services/gate', 'services/gateway/src/a.ts', false],
  ['a.ts', 'a.ts', true],
  ['*.md', 'docs/a.md', true],
  ['*.md', 'a.md', true],
  ['docs/*.md', 'docs/a.md', true],
  ['docs/*.md', 'docs/deep/a.md', false],
  ['docs/**/*.md', 'docs/a.md', true],
  ['docs/**/*.md', 'docs/very/deep/a.md', true],
  ['src/**', 'src/a/b.ts', true],
  ['src/**', 'lib/src/a.ts', false],
  ['**/src/**', 'lib/src/a.ts', true],
  ['a?.ts', 'ab.ts', true],
  ['a?.ts', 'a/.ts', false],
  ['./docs', 'docs/a.md', true],
  ['', 'anything', true],
  ['a.*', 'axb', false],
])('%s and %s: %s', (pattern, path, expected) => {
  expect(pathMatcher(pattern)(path)).toBe(expected);
});

test('no pattern takes long for a path', () => {
  const match = pathMatcher(`${'*a'.repeat(200)}b`);
  const begun = process.threadCpuUsage();
  match('a'.repeat(4_000));
  expect(process.threadCpuUsage(begun).user).toBeLessThan(1_000_000);
});
