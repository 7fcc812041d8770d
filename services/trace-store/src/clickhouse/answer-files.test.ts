import { readdir, stat, writeFile, mkdir } from 'node:fs/promises';
import { Code } from '@connectrpc/connect';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAnswerFiles } from './answer-files.ts';

let scratch: Scratch;
beforeAll(async () => (scratch = await makeScratch('answer-files')));
afterAll(() => scratch.remove());

async function read(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

test('what was written is read in pieces, and has no name meanwhile', async () => {
  const directory = `${scratch.path}/read`;
  await mkdir(directory);
  await writeFile(`${directory}/of-a-killed-process`, 'x');
  const files = await openAnswerFiles(directory, { inAll: 1, perAsker: 1 });
  expect(await readdir(directory)).toEqual([]);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  const bytes = Buffer.alloc(600_000, 'abc');
  const file = await files.make('a', (path) => writeFile(path, bytes));
  expect(await readdir(directory)).toEqual([]);
  expect(await read(file.pieces())).toEqual(bytes);
  await file.close();
  await file.close();
});

test('so many are there at once, whether one was read, left, or failed', async () => {
  const directory = `${scratch.path}/count`;
  const files = await openAnswerFiles(directory, { inAll: 3, perAsker: 2 });
  const full = async (path: string) => {
    await writeFile(path, 'half');
    throw new Error('No space left on device');
  };
  for (const _ of [1, 2, 3]) await expect(files.make('a', full)).rejects.toThrow('No space left');
  expect(await readdir(directory)).toEqual([]);
  const [first] = [
    await files.make('a', (path) => writeFile(path, '1')),
    await files.make('a', (path) => writeFile(path, '2')),
  ];
  const more = () => files.make('a', (path) => writeFile(path, '3'));
  await expect(more()).rejects.toMatchObject({ code: Code.Aborted });
  const other = await files.make('b', (path) => writeFile(path, '4'));
  await expect(files.make('c', (path) => writeFile(path, '5'))).rejects.toMatchObject({ code: Code.Aborted });
  expect(await read(other.pieces())).toEqual(Buffer.from('4'));
  await other.close();
  await first.close();
  expect(await read((await more()).pieces())).toEqual(Buffer.from('3'));
});
