import { expect, test } from 'vitest';
import { columnWidth, createSideBySide, formatRow } from './side-by-side.ts';

test('cells are padded or cut to their column, and a row has no trailing blanks', () => {
  expect(formatRow(['left', 'right'], 6)).toBe('left   │ right');
  expect(formatRow(['longer than that', ''], 6)).toBe('longe… │');
});

test('columns share the terminal and stay readable on a narrow one', () => {
  expect(columnWidth(103, 2)).toBe(50);
  expect(columnWidth(500, 2)).toBe(98);
  expect(columnWidth(10, 2)).toBe(20);
});

test('on a terminal every line is written once, next to what came with it', () => {
  let written = '';
  const show = createSideBySide({ write: (text) => (written += text), columns: 2, terminalWidth: 43 });
  show.push(0, 'a1');
  show.push(0, 'a2');
  show.push(1, 'b1');
  show.close();
  expect(written).toBe('a1                   │ b1\na2                   │\n');
});

test('without a terminal every line comes at once and says whose it is', () => {
  let written = '';
  const show = createSideBySide({ write: (text) => (written += text), columns: 2, terminalWidth: undefined });
  show.push(1, 'b1');
  expect(written).toBe('[2] b1\n');
  show.close();
});
