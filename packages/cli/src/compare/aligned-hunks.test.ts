import { structuredPatch } from 'diff';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alignHunks } from './aligned-hunks.ts';
import type { Hunk } from './file-changes.ts';

const lines = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 60, size: 'max' });
const textOf = (of: readonly string[]) => of.map((line) => `${line}\n`).join('');
const hunksOf = (from: readonly string[], to: readonly string[]): Hunk[] =>
  structuredPatch('f', 'f', textOf(from), textOf(to), '', '', { context: 3 }).hunks;

test('every line of every change stands in one row, in its order, and an old line in the same row of all', () => {
  fc.assert(
    fc.property(lines, fc.array(lines, { minLength: 1, maxLength: 4 }), (base, versions) => {
      const changes = versions.map((version) => hunksOf(base, version));
      const regions = alignHunks(changes);
      const rows = regions.flat();
      changes.forEach((hunks, column) => {
        const shown = rows.flatMap(({ cells }) => (cells[column] ? [cells[column].sign + cells[column].text] : []));
        expect(shown).toEqual(hunks.flatMap((hunk) => hunk.lines));
      });
      const numbers = rows.flatMap(({ oldLine }) => oldLine ?? []);
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
      for (const { oldLine, cells } of rows) {
        const old = cells.filter((cell) => cell?.sign === ' ' || cell?.sign === '-');
        if (oldLine === null) expect(old).toEqual([]);
        else for (const cell of old) expect(cell!.text).toBe(base[oldLine - 1]);
      }
    }),
  );
});

test('changes of the same place stand beside each other, others apart', () => {
  const base = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
  const first = base.with(4, 'five by the first');
  const second = base.with(4, 'five by the second').with(18, 'nineteen');
  const regions = alignHunks([hunksOf(base, first), hunksOf(base, second)]);
  expect(regions.map((region) => region[0]!.oldLine)).toEqual([2, 16]);
  expect(regions[0]!.filter(({ cells }) => cells[0]!.sign !== ' ')).toEqual([
    {
      oldLine: 5,
      cells: [
        { sign: '-', text: 'line 5' },
        { sign: '-', text: 'line 5' },
      ],
    },
    {
      oldLine: null,
      cells: [
        { sign: '+', text: 'five by the first' },
        { sign: '+', text: 'five by the second' },
      ],
    },
  ]);
});
