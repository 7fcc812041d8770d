import { expect, test } from 'vitest';
import { createKeyedLock } from './keyed-lock.ts';
import { createStartGate } from './start-gate.ts';

/** Work that notes when it runs and ends when it is told to. */
function createWork() {
  const log: string[] = [];
  const finish = new Map<string, () => void>();
  const work = (name: string) => async () => {
    log.push(`start ${name}`);
    await new Promise<void>((resolve) => finish.set(name, resolve));
    log.push(`end ${name}`);
  };
  return { log, work, end: (name: string) => finish.get(name)?.() };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('work under one key is done one at a time, in order, also after a failure', async () => {
  const lock = createKeyedLock();
  const { log, work, end } = createWork();
  const failed = lock.run('a', () => Promise.reject(new Error('no')));
  const first = lock.run('a', work('first'));
  const second = lock.run('a', work('second'));
  const other = lock.run('b', work('other'));
  await expect(failed).rejects.toThrow('no');
  await settle();
  expect(log.toSorted()).toEqual(['start first', 'start other']);
  end('first');
  await first;
  await settle();
  expect(log).toContain('start second');
  end('second');
  end('other');
  await Promise.all([second, other]);
});

test('no more work than the gate allows runs at once, and a failure frees its place', async () => {
  const gate = createStartGate(2);
  const { log, work, end } = createWork();
  const all = ['a', 'b', 'c'].map((name) => gate.run(work(name)));
  await settle();
  expect(log).toEqual(['start a', 'start b']);
  end('a');
  await all[0];
  await settle();
  expect(log).toEqual(['start a', 'start b', 'end a', 'start c']);
  end('b');
  end('c');
  await Promise.all(all);
  await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await gate.run(async () => undefined);
});
