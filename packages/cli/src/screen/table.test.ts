import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layoutFields, layoutTable } from './table.ts';
import { cutTo, padTo, visible, widthOf } from './visible-text.ts';

const cell = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.constant('漢字🙂e\u0301'),
);
const table = fc.integer({ min: 1, max: 6 }).chain((count) =>
  fc.record({
    columns: fc.array(
      fc.record({
        title: fc.string({ maxLength: 10, unit: fc.constantFrom(...'ABC ') }),
        shrinks: fc.boolean(),
        canGo: fc.boolean(),
      }),
      {
        minLength: count,
        maxLength: count,
      },
    ),
    rows: fc.array(fc.array(cell, { minLength: count, maxLength: count }), { maxLength: 8 }),
  }),
);

describe('a table', () => {
  test('is never wider than the terminal', () => {
    fc.assert(
      fc.property(table, fc.integer({ min: 18, max: 200 }), ({ columns, rows }, width) => {
        for (const line of layoutTable(columns, rows, width)) expect(widthOf(line)).toBeLessThanOrEqual(width);
      }),
    );
  });

  test('shows every cell whole where nothing limits it', () => {
    fc.assert(
      fc.property(table, ({ columns, rows }) => {
        const lines = layoutTable(columns, rows, Number.POSITIVE_INFINITY);
        expect(lines).toHaveLength(rows.length + 1);
        rows.forEach((row, index) => {
          for (const text of row) expect(lines[index + 1]).toContain(visible(text));
        });
      }),
    );
  });

  test('cuts free text before ids', () => {
    const columns = [{ title: 'ID' }, { title: 'TITLE', shrinks: true }];
    const id = 'ses_01kagb3pyqe1bsnx50e4g66jdv';
    expect(layoutTable(columns, [[id, 'a rather long title of a session']], 50)[1]).toBe(`${id}  a rather long tit…`);
    expect(layoutTable(columns, [[id, 'a rather long title of a session']], 36)[1]).toBe(`${id}  a r…`);
  });

  test('leaves columns out before it cuts an id, the last of those that may go first', () => {
    const go = { canGo: true };
    const columns = [{ title: 'ID' }, { title: 'A', ...go }, { title: 'WHY', shrinks: true }, { title: 'B', ...go }];
    const id = 'ses_01kagb3pyqe1bsnx50e4g66jdv';
    const at = (width: number) => layoutTable(columns, [[id, '12345', 'because of that', '1234567']], width)[1];
    expect(at(Number.POSITIVE_INFINITY)).toBe(`${id}  12345  because of that  1234567`);
    expect(at(52)).toBe(`${id}  12345  bec…  1234567`);
    expect(at(51)).toBe(`${id}  12345  because of …`);
    expect(at(40)).toBe(`${id}  because…`);
  });

  test('aligns numbers to the right and styles the padded cell', () => {
    const columns = [{ title: 'N', align: 'right' as const, style: (padded: string) => `<${padded}>` }, { title: 'B' }];
    expect(
      layoutTable(
        columns,
        [
          ['7', 'x'],
          ['1234', 'y'],
        ],
        80,
      ),
    ).toEqual(['   N  B', '<   7>  x', '<1234>  y']);
  });
});

test('nothing that a terminal acts on survives in text from elsewhere', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      expect(visible(text)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: 50 },
  );
  expect(visible('a\u001b[31mred\u001b[0m\tb\r\nc\u001b]0;title\u0007d\u202ee\u0000')).toBe('ared b cd\ufffde\ufffd');
});

test('cut and padded text has the width that was asked for', () => {
  fc.assert(
    fc.property(cell.map(visible), fc.nat(40), (text, columns) => {
      expect(widthOf(cutTo(text, columns))).toBeLessThanOrEqual(columns);
      expect(widthOf(padTo(text, columns, 'right'))).toBe(Math.max(columns, widthOf(text)));
      if (widthOf(text) <= columns) expect(cutTo(text, columns)).toBe(text);
    }),
  );
});

test('fields without a value are left out', () => {
  expect(
    layoutFields([
      ['a', '1'],
      ['long name', 'x\ny'],
      ['none', null],
      ['empty', ''],
    ]),
  ).toEqual(['a          1', 'long name  x y']);
});
