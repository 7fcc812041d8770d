import { expect, test } from 'vitest';
import { isPlainType, isTimeZone } from './functions.ts';

test('types of plain values may be named', () => {
  for (const type of [
    'UInt8',
    'Nullable(String)',
    "DateTime64(3, 'Europe/Berlin')",
    'Tuple(a UInt8, b Array(String))',
    'Map(String, UInt64)',
    "Enum8('a' = 1)",
    'Decimal(10, 2)',
  ]) {
    expect({ type, plain: isPlainType(type) }).toEqual({ type, plain: true });
  }
});

test('no type that holds a state, code, or a file by the name of its time zone', () => {
  for (const type of [
    'AggregateFunction(count)',
    'Array(AggregateFunction(uniq, String))',
    'Tuple(a JSON)',
    'Tuple(UInt8 JSON)',
    'Dynamic',
    "DateTime('file:/etc/passwd')",
    "DateTime('file\\x3a/etc/passwd')",
    "Object('json')",
    '?',
  ]) {
    expect({ type, plain: isPlainType(type) }).toEqual({ type, plain: false });
  }
});

test('a time zone is named as the world names it', () => {
  for (const zone of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])
    expect(isTimeZone(zone)).toBe(true);
  for (const zone of ['', '/etc/passwd', 'file:/etc/passwd', '../x', 'a//b', 'a/../b', 'UTC\n']) {
    expect(isTimeZone(zone)).toBe(false);
  }
});
