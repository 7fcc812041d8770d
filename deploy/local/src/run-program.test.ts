import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mustRun, runProgram } from './run-program.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-run-');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('a program that is aborted or out of time may clean up before the call ends', async () => {
  const cleanUp = (name: string) =>
    `trap 'echo cleaned > ${join(directory, name)}; exit 1' TERM; echo up; while :; do sleep 0.05; done`;
  const abort = new AbortController();
  const aborted = runProgram('sh', ['-c', cleanUp('aborted')], { timeoutMs: 30_000, signal: abort.signal });
  const outOfTime = runProgram('sh', ['-c', cleanUp('late')], { timeoutMs: 2_000 });
  await expect(outOfTime).rejects.toThrow('did not end within 2 s');
  abort.abort();
  await expect(aborted).rejects.toThrow('nobody waits');
  expect(await readFile(join(directory, 'late'), 'utf8')).toBe('cleaned\n');
  expect(await readFile(join(directory, 'aborted'), 'utf8')).toBe('cleaned\n');
});

test('an exit other than 0 is a result, and for mustRun an error with the last words', async () => {
  const args = ['-c', 'echo out; echo the reason >&2; exit 3'];
  const result = await runProgram('sh', args, { timeoutMs: 10_000 });
  expect(result).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'the reason\n' });
  await expect(mustRun('sh', args, { timeoutMs: 10_000 })).rejects.toThrow(/exit code 3:\nthe reason/);
});

test('a program that is not there is an error that names it', async () => {
  await expect(runProgram('no-such-program', [], { timeoutMs: 1_000 })).rejects.toThrow('no-such-program could not be');
});
