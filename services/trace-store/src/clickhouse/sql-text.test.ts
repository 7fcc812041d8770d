import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tokenize } from '../query/confinement.ts';
import { quoteString, sql, sqlList } from './sql-text.ts';

const hostile = fc.string({
  unit: fc.constantFrom("'", '\\', '{', '}', '-', '/', '*', ';', '\n', '\0', '`', '"', 'x', '7'),
});

test('a string is one literal, whatever it holds, and reads as itself', () => {
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
      const quoted = quoteString(text);
      expect(tokenize(quoted)).toEqual([{ kind: 'string', text: quoted, start: 0 }]);
      expect(unquoted(quoted)).toBe(text);
      // Hints to ClickHouse's own test runner begin with one.
      expect(quoted).not.toContain('{');
    }),
  );
});

function unquoted(literal: string): string {
  const characters: Record<string, string> = { '0': '\0', x7B: '{' };
  return literal.slice(1, -1).replaceAll(/\\(x7B|[\s\S])/g, (_, name: string) => characters[name] ?? name);
}

test('a statement is its text with the values as literals; parts of it stay SQL', () => {
  const since = sql`time >= ${new Date(1_790_000_000_123)}`;
  const statement = sql`SELECT 1 WHERE organization_id = ${"o'x"} AND ${since} LIMIT ${10}`;
  expect(statement.text).toBe(
    "SELECT 1 WHERE organization_id = 'o\\'x' AND time >= toDateTime64('2026-09-21 14:13:20.123', 3, 'UTC') LIMIT 10",
  );
  expect(sql`type IN (${sqlList(['a', "b'"])})`.text).toBe("type IN ('a', 'b\\'')");
  expect(() => sql`LIMIT ${Number.NaN}`).toThrow('is no number');
});
