import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planEviction } from './index-space.ts';

test('what was used longest ago goes, no more than is needed, and never what is kept', () => {
  const indexes = fc.uniqueArray(fc.record({ directory: fc.string(), bytes: fc.nat(100), usedMs: fc.nat(1_000) }), {
    selector: ({ directory }) => directory,
    maxLength: 12,
  });
  fc.assert(
    fc.property(indexes, fc.nat(500), fc.func(fc.boolean()), (found, bytesMax, isKept) => {
      const kept = new Set(found.map(({ directory }) => directory).filter((directory) => isKept(directory)));
      const going = planEviction(found, bytesMax, kept);
      const rest = found.filter(({ directory }) => !going.includes(directory));
      const total = (some: typeof found) => some.reduce((sum, { bytes }) => sum + bytes, 0);
      expect(going.some((directory) => kept.has(directory))).toBe(false);
      const last = found.find(({ directory }) => directory === going.at(-1));
      if (last) expect(total([...rest, last])).toBeGreaterThan(bytesMax);
      const free = rest.filter(({ directory }) => !kept.has(directory));
      if (total(rest) > bytesMax) expect(free).toEqual([]);
      if (last) for (const one of free) expect(one.usedMs).toBeGreaterThanOrEqual(last.usedMs);
    }),
  );
});
