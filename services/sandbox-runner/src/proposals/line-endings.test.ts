import { expect, test } from 'vitest';
import { committedLines, lineRule } from './line-endings.ts';

const kept = (text: string, rule: Parameters<typeof committedLines>[1], before?: string) =>
  committedLines(Buffer.from(text, 'latin1'), rule, before === undefined ? undefined : Buffer.from(before))?.toString(
    'latin1',
  );

test('a file that is text loses the CR before each LF and no other', () => {
  expect(kept('a\r\nb\rc\r\r\n', 'text')).toBe('a\nb\rc\r\n');
  expect(kept('a\nb\n', 'text')).toBeUndefined();
  expect(kept('a\r\n', 'none')).toBeUndefined();
});

test('what may be text is left alone where it is binary, or was committed with CRLF', () => {
  expect(kept('a\r\nb\r\n', 'auto')).toBe('a\nb\n');
  expect(kept('a\r\n', 'auto', 'x\r\n')).toBeUndefined();
  expect(kept('a\r\n', 'auto', 'x\n')).toBe('a\n');
  for (const binary of ['a\r\n\0', 'a\r\nlone\rcr', 'a\r\n\x01\x02']) expect(kept(binary, 'auto')).toBeUndefined();
});

test('attributes say what a file is, as git reads them', () => {
  expect(lineRule('auto', 'crlf', 'unspecified')).toBe('auto');
  expect(lineRule('set', 'unspecified', 'unspecified')).toBe('text');
  expect(lineRule('unset', 'crlf', 'unspecified')).toBe('none');
  expect(lineRule('unspecified', 'crlf', 'unspecified')).toBe('text');
  expect(lineRule('unspecified', 'unspecified', 'input')).toBe('text');
  expect(lineRule('unspecified', 'unspecified', 'unspecified')).toBe('none');
});
