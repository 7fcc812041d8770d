import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, test } from 'vitest';
import { exportParts, monthsOf } from './export-parts.ts';

test('a time is cut at the months, in UTC', () => {
  expect(monthsOf('2026-01-31T23:00:00.000Z', '2026-03-01T00:00:00.000Z')).toEqual([
    { from: '2026-01-31T23:00:00.000Z', to: '2026-02-01T00:00:00.000Z' },
    { from: '2026-02-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z' },
  ]);
  expect(monthsOf('2026-01-02T00:00:00.000Z', '2026-01-02T00:00:00.000Z')).toEqual([]);
});

test('what broke off goes on after the last part that is whole, with the time that was asked for at first', async () => {
  const scratch = await makeScratch('cli-parts');
  const asked: string[] = [];
  let failAfter = 3;
  const part = async (_: string, { of, from, to, after = '' }: Record<string, string | undefined>) => {
    if (failAfter-- === 0) throw new Error('cut');
    asked.push([of, from!.slice(0, 7), to!.slice(0, 10), after].join(' '));
    const bytes = Buffer.from(`${of} ${from} ${after}`);
    const next = of === 'events' && Number(after) < 2 ? String(Number(after) + 1) : null;
    return { bytes, rows: 1, sha256: createHash('sha256').update(bytes).digest('hex'), next };
  };
  const client = { exports: { part } } as never;
  const into = { projectId: 'prj_1', directory: scratch.path, from: '2026-01-15T00:00:00.000Z', resume: true };
  const run = (to: string) => Array.fromAsync(exportParts(client, { ...into, to: `${to}T00:00:00.000Z` }));
  await expect(run('2026-02-10')).rejects.toThrow('cut');
  failAfter = -1;
  await run('2026-02-20');
  expect(asked).toEqual([
    ...['events 2026-01 2026-02-01 ', 'events 2026-01 2026-02-01 1', 'events 2026-01 2026-02-01 2'],
    'command_output 2026-01 2026-02-01 ',
    ...['events 2026-02 2026-02-20 ', 'events 2026-02 2026-02-20 1', 'events 2026-02 2026-02-20 2'],
    'command_output 2026-02 2026-02-20 ',
  ]);
  const lines = (await readFile(join(scratch.path, 'manifest.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).path)).toContain('2026-02/events-0003.parquet');
  asked.length = 0;
  await run('2026-02-20');
  expect(asked).toEqual([]);
  await scratch.remove();
});
