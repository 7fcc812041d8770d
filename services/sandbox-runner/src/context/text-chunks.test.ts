import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunksOf, linesOf } from './text-chunks.ts';

test('chunks follow each other, and together are the whole file', () => {
  const line = fc.constantFrom('', '  ', 'function a() {', '  return 1;', '}');
  fc.assert(
    fc.property(fc.array(line, { maxLength: 400, size: 'max' }), (lines) => {
      const chunks = chunksOf(lines);
      let next = 1;
      for (const { firstLine, lastLine } of chunks) {
        expect(firstLine).toBe(next);
        expect(lastLine).toBeGreaterThanOrEqual(firstLine);
        expect(lastLine - firstLine).toBeLessThan(50);
        next = lastLine + 1;
      }
      expect(next - 1).toBe(lines.length);
    }),
  );
});

test('a file is cut where a function begins, not within one', () => {
  const lines = Array.from({ length: 12 }, (_, index) => [
    `function f${index}() {`,
    ...Array.from({ length: 7 }, () => '  work();'),
    '}',
    '',
  ]).flat();
  for (const { firstLine } of chunksOf(lines)) expect(lines[firstLine - 1]).toMatch(/^function/);
});

test('lines are without their ends, and an empty file has none', () => {
  expect(linesOf('a\r\nb\n\nc')).toEqual(['a', 'b', '', 'c']);
  expect(linesOf('a\n')).toEqual(['a']);
  expect(linesOf('')).toEqual([]);
});
