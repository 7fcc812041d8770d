import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createStyle } from '../screen/style.ts';
import { widthOf } from '../screen/visible-text.ts';
import type { ComparedFile, FileChange } from './file-changes.ts';
import { layoutSideBySide, type SideBySideBounds } from './side-by-side.ts';

const change = (more: Partial<FileChange> = {}): FileChange => ({
  ...{ path: 'f', status: 'modified', additions: 1, deletions: 1, binary: false, hunks: [], without: null },
  ...more,
});
const hunk = (...lines: string[]) => {
  const count = (signs: string) => lines.filter((line) => signs.includes(line[0]!)).length;
  return { oldStart: 9, oldLines: count(' -'), newStart: 9, newLines: count(' +'), lines };
};
const layout = (files: ComparedFile[], titles: string[], width: number, bounds?: SideBySideBounds) =>
  layoutSideBySide(files, { titles, width, style: createStyle(false), ...(bounds && { bounds }) });

test('two changes of one file stand in columns, by the lines they began with', () => {
  const first = change({ hunks: [hunk(' same', '-old', '+one')] });
  const second = change({ hunks: [hunk(' same', '-old', '+two', '+three', ' end')], additions: 2 });
  expect(layout([{ path: 'src/f', changes: [first, second, null] }], ['1 by thought', '2 by guess', '3'], 120)).toEqual(
    [
      'src/f',
      '   │ 1 by thought: modified, +1 -1        │ 2 by guess: modified, +2 -1          │ 3: unchanged',
      ' 9 │  same                                │  same                                │',
      '10 │ -old                                 │ -old                                 │',
      '   │ +one                                 │ +two                                 │',
      '   │                                      │ +three                               │',
      '11 │                                      │  end                                 │',
      '',
    ],
  );
});

test('sessions that do not fit beside each other follow below; those without a change are left out there', () => {
  const changes = [change({ hunks: [hunk('+a')] }), null, change({ without: 'binary', binary: true })];
  expect(layout([{ path: 'f', changes }], ['1', '2', '3'], 60)).toEqual([
    'f',
    '  │ 1: modified, +1 -1',
    '  │ +a',
    '  │ 3: modified, binary',
    '',
  ]);
});

const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 120 }), fc.constant('漢字\u001b[2J🙂'.repeat(30)));
const anyChange = fc.option(
  fc.array(anyText, { maxLength: 5 }).map((texts) =>
    change({
      path: texts[0] ?? 'p',
      oldPath: 'q',
      hunks: [hunk(...texts.map((text, index) => ' +-'[index % 3]! + text))],
    }),
  ),
);

test('no line is wider than the terminal, and nothing that it acts on comes out of paths and contents', () => {
  const files = fc.integer({ min: 1, max: 4 }).chain((count) =>
    fc.record({
      files: fc.array(
        fc.record({ path: anyText, changes: fc.array(anyChange, { minLength: count, maxLength: count }) }),
        { maxLength: 4 },
      ),
      titles: fc.array(anyText, { minLength: count, maxLength: count }),
    }),
  );
  fc.assert(
    fc.property(files, fc.integer({ min: 20, max: 200 }), ({ files, titles }, width) => {
      for (const line of layout(files, titles, width)) {
        expect(widthOf(line)).toBeLessThanOrEqual(width);
        expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
      }
    }),
  );
});

test('a long line goes on below itself, four times at most; what is not shown is counted where it would stand', () => {
  const long = change({ hunks: [hunk(`+${'x'.repeat(500)}`)] });
  const cells = layout([{ path: 'f', changes: [long] }], ['1'], 60).slice(2, -1);
  expect(cells.map((line) => line.length)).toEqual([60, 60, 60, 60]);
  expect(cells.at(-1)).toMatch(/x…$/);
  const many = { path: 'f', changes: [change({ hunks: [hunk(...Array.from({ length: 9 }, (_, n) => `+${n}`))] })] };
  const lines = layout([many, many, many, many], ['1'], 60, { filesMax: 3, linesMax: 5 });
  expect(lines.filter((line) => line.startsWith('…'))).toEqual([
    '… 6 more lines',
    '… 6 more lines',
    '… 6 more lines',
    '… 1 more file',
  ]);
});
