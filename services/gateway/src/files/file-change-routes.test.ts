import { expect, test } from 'vitest';
import { expectation } from './file-change-routes.ts';

const of = (headers: Record<string, string>) => expectation(new Headers(headers));
const blob = 'a'.repeat(40);

test('what a file has to be before it is changed is read from the headers', () => {
  expect(of({})).toBeNull();
  expect(of({ 'if-match': `"${blob}"` })).toEqual({ blob });
  expect(of({ 'if-match': '*' })).toBe('present');
  expect(of({ 'if-none-match': '*' })).toBe('absent');
});

test('what can never hold is a failed precondition, what cannot be read is told by its header', () => {
  for (const never of ['"x"', `W/"${blob}"`, '""']) {
    expect(() => of({ 'if-match': never })).toThrow(expect.objectContaining({ code: 'precondition_failed' }));
  }
  const path = (headers: Record<string, string>) => {
    try {
      return of(headers);
    } catch (error) {
      return (error as { errors: { path: string }[] }).errors[0]?.path;
    }
  };
  expect(path({ 'if-match': `"${blob}", "x"` })).toBe('If-Match');
  expect(path({ 'if-none-match': `"${blob}"` })).toBe('If-None-Match');
  expect(path({ 'if-none-match': '*', 'if-match': '*' })).toBe('If-None-Match');
});
