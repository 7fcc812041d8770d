import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, test } from 'vitest';
import { filePieces } from './file-pieces.ts';

test('a file in pieces: each has the first line and where the one before ended, and knows its lines', async () => {
  const scratch = await makeScratch('cli-pieces');
  const path = join(scratch.path, 'x.jsonl');
  const lines = Array.from(
    { length: 5_000 },
    (_, index) => `${index + 1} ${'x'.repeat(index % 7 === 0 ? 3_000 : 20)}\n`,
  );
  await writeFile(path, lines.join(''));
  const seen: string[] = [];
  let pieces = 0;
  for await (const { bytes, lineOf } of filePieces(path)) {
    const [first, ...rest] = Buffer.from(bytes)
      .toString()
      .split(/(?<=\n)/);
    expect(first).toBe(lines[0]);
    expect(bytes.length).toBeLessThan(1_100_000);
    for (const [index, line] of rest.entries()) expect(lineOf(index + 2)).toBe(Number(line.split(' ')[0]));
    if (pieces > 0) expect(rest.shift()).toBe(seen.at(-1));
    seen.push(...rest);
    pieces += 1;
  }
  expect(pieces).toBeGreaterThan(2);
  expect(seen).toEqual(lines.slice(1));
  await scratch.remove();
});
