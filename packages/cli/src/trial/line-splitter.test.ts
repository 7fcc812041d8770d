import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLineSplitter } from './line-splitter.ts';

test('lines come out the same however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 10 })), fc.array(fc.nat(12)), (parts, cuts) => {
      const text = parts.join('\n').replaceAll('\r', '');
      const bytes = Buffer.from(text);
      const splitter = createLineSplitter();
      const lines: string[] = [];
      let offset = 0;
      for (const cut of [...cuts, bytes.length]) {
        lines.push(...splitter.push(bytes.subarray(offset, offset + cut)));
        offset += cut;
      }
      lines.push(...splitter.rest());
      const expected = text.split('\n');
      if (expected.at(-1) === '') expected.pop();
      expect(lines).toEqual(expected);
    }),
  );
});

test('a line without end is held back only up to a bound', () => {
  const splitter = createLineSplitter();
  const lines = splitter.push(Buffer.alloc(10_000, 'x'));
  expect(lines.map(({ length }) => length)).toEqual([4096, 4096]);
  expect(splitter.rest()[0]).toHaveLength(10_000 - 8192);
});
