// What of a tool's answer is masked.

import { expect, it } from 'vitest';
import { masked } from './masked-values.ts';

it('values of secrets are as many stars, wherever they stand', () => {
  const told = { text: '1\ttoken=s3cret;\n2\tnone', matches: ['a:1:s3cret s3cret'], lines: 2, cut: true };
  expect(masked(told, ['s3cret', ''])).toEqual({
    text: '1\ttoken=******;\n2\tnone',
    matches: ['a:1:****** ******'],
    lines: 2,
    cut: true,
  });
  expect(masked(told, [])).toBe(told);
});

it('a longer one that holds a shorter one is masked whole', () => {
  expect(masked('s3cret-and-more', ['s3cret', 's3cret-and-more'])).toBe('*'.repeat(15));
});

it('one of several lines is masked in lines that are told with their numbers, but for lines that say nothing', () => {
  expect(masked('1\t---BEGIN KEY\n2\tabcdefghij\n3\tend', ['---BEGIN KEY\nabcdefghij\nend\n'])).toBe(
    '1\t************\n2\t**********\n3\tend',
  );
});
