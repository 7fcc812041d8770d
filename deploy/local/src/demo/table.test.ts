import { expect, test } from 'vitest';
import { summarize } from './outcomes.ts';
import { formatTable } from './table.ts';

test('columns are as wide as needed, numbers and amounts to the right', () => {
  const table = formatTable(
    ['name', 'count', 'time'],
    [
      ['a', '5', '1.0 s'],
      ['longer', '123', '10.5 s'],
    ],
  );
  expect(table.split('\n')).toEqual([
    'name    count    time',
    '──────  ─────  ──────',
    'a           5   1.0 s',
    'longer    123  10.5 s',
  ]);
});

test('a session is summed up from its first start to its last end', () => {
  const command = (startedAt: string | null, endedAt: string | null) => ({
    startedAt,
    endedAt,
    stdoutBytes: 10,
    stderrBytes: 1,
  });
  const commands = [
    command('2026-01-01T00:00:02.500Z', '2026-01-01T00:00:04.000Z'),
    command('2026-01-01T00:00:01.000Z', '2026-01-01T00:00:02.000Z'),
    command(null, null),
  ];
  expect(summarize(commands)).toEqual(['33 B', '3', '3.0 s']);
  expect(summarize([])).toEqual(['0 B', '0', '?']);
});
