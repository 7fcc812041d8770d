import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { endProcess, identifyProcess, isAlive, parseProcessStat } from './process-identity.ts';
import { waitUntil } from './wait-until.ts';

function isGroupGone(group: number): boolean {
  try {
    return !process.kill(-group, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

const rest = '1 2 2 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000';

test('the start time is found behind a program name with spaces and parentheses', () => {
  expect(parseProcessStat(`42 (a) b (c) S ${rest}`)).toEqual({ pid: 42, startTicks: 987654 });
});

test('a zombie does not count as alive', () => {
  expect(parseProcessStat(`42 (node) Z ${rest}`)).toBeNull();
});

test('a pid that was given to another process since is not taken for the first', async () => {
  const self = await identifyProcess(process.pid);
  expect(self).not.toBeNull();
  expect(await isAlive(self as NonNullable<typeof self>)).toBe(true);
  expect(await isAlive({ pid: process.pid, startTicks: (self?.startTicks ?? 0) - 1 })).toBe(false);
});

test('a process that ignores TERM is killed with its group', async () => {
  const child = spawn('sh', ['-c', 'trap "" TERM; echo up; sleep 1000 & wait; sleep 1000'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  const identity = await identifyProcess(child.pid as number);
  await endProcess(identity as NonNullable<typeof identity>, 200);
  expect(await identifyProcess(child.pid as number)).toBeNull();
  await waitUntil(async () => isGroupGone(child.pid as number), { what: 'the group to be reaped', timeoutMs: 60_000 });
});
