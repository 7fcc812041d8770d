import { expect, test } from 'vitest';
import { withoutNames } from './stream.ts';

test.each([
  ['LowCardinality(String)', 'String'],
  ['Array(LowCardinality(Nullable(String)))', 'Array(Nullable(String))'],
  ['LowCardinality(Nullable(FixedString(5)))', 'Nullable(FixedString(5))'],
  ['Map(LowCardinality(String), LowCardinality(FixedString(9)))', 'Map(String, FixedString(9))'],
  ["Enum8('a' = 1, 'b)' = 2)", 'String'],
  ["Tuple(a Enum16('it\\'s (' = -1), b LowCardinality(String))", 'Tuple(a String, b String)'],
  ["DateTime64(3, 'UTC')", "DateTime64(3, 'UTC')"],
])('%s is written as %s: each value counts in full', (type, full) => {
  expect(withoutNames(type)).toBe(full);
});
