import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createOutputTail, tailText } from './output-tail.ts';

test('output within the bound is shown whole, however it was cut into events', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 1, max: 7 }), (text, size) => {
      const bytes = new TextEncoder().encode(text);
      const tail = createOutputTail(10_000);
      for (let at = 0; at < bytes.length; at += size) tail.add(bytes.subarray(at, at + size));
      expect(tail.text()).toEqual({ text: text.toWellFormed(), truncated: false });
    }),
  );
});

test('of longer output the last bytes are shown, beginning with a whole character', () => {
  const tail = createOutputTail(10);
  for (let i = 0; i < 100; i++) tail.add(Buffer.from('äöü€'));
  const { text, truncated } = tail.text();
  expect(truncated).toBe(true);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10);
  expect('äöü€'.repeat(100).endsWith(text)).toBe(true);
  expect(text.length).toBeGreaterThan(3);
});

test('what is no UTF-8 is shown as replacement characters, and a byte order mark stays', () => {
  expect(tailText(Buffer.from([0x61, 0xff, 0x62]), false).text).toBe('a\ufffdb');
  expect(tailText(Buffer.from('\ufeffx'), false).text).toBe('\ufeffx');
});
