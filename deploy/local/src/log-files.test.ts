import { appendFile, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { logTail, rotateLog } from './log-files.ts';

let directory: string;
let path: string;
const limits = { fileBytesMax: 10, filesMax: 2 };

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-logs-');
  path = join(directory, 'nats.log');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('a log within its limit stays as it is, and one that is not there is no error', async () => {
  expect(await rotateLog(path, limits)).toBe(false);
  await appendFile(path, 'short');
  expect(await rotateLog(path, limits)).toBe(false);
});

test('rotated files are bounded in number and the newest has number 1', async () => {
  for (const name of ['first', 'second', 'third']) {
    await appendFile(path, `${name} of the logs`);
    expect(await rotateLog(path, limits)).toBe(true);
  }
  expect((await readdir(directory)).sort()).toEqual(['nats.log', 'nats.log.1', 'nats.log.2']);
  expect(await readFile(`${path}.1`, 'utf8')).toBe('third of the logs');
  expect(await readFile(path, 'utf8')).toBe('');
});

test('a process that holds the log open goes on at the start of the emptied file', async () => {
  const writer = await open(path, 'a');
  await writer.write('before the rotation ');
  await rotateLog(path, limits);
  await writer.write('after');
  await writer.close();
  expect(await readFile(path, 'utf8')).toBe('after');
});

test('the tail of a log is its last lines', async () => {
  await appendFile(path, 'one\ntwo\nthree\n');
  expect(await logTail(path, 2)).toBe('two\nthree');
  expect(await logTail(join(directory, 'missing'), 2)).toBe('');
});
