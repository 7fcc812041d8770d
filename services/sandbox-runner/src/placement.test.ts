import type { RunnerDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { expect, test } from 'vitest';
import { createPlacements, NoFreeSlot } from './placement.ts';
import { plainEnvironment } from './runner-bench.ts';

function runner(sessionsMax: number, occupied = new Set<string>()) {
  const time = { nowMs: 0 };
  const state: { lacking: RunnerDocument['unavailable'] } = { lacking: null };
  const shared = { runnerId: 'run-1', labels: { disk: 'ssd' }, sessionsMax, lacking: () => state.lacking };
  return {
    placements: createPlacements({ ...shared, occupied: () => occupied, clock: () => time.nowMs }),
    time,
    state,
  };
}

const ask = (sessionId = newId('session'), runnerLabels = {}) => ({
  sessionId,
  environment: { ...plainEnvironment, runnerLabels },
});

test('a promised slot counts until it is used or too old', () => {
  const { placements, time } = runner(1);
  expect(placements.place(ask()).hostQueue).toBe('sandbox-runner.run-1');
  expect(() => placements.place(ask())).toThrow(NoFreeSlot);
  time.nowMs = 60_001;
  expect(() => placements.place(ask())).not.toThrow();
});

test('while a sandbox is opened it holds a slot, however long that takes, and gives it back when it fails', async () => {
  const { placements, time } = runner(1);
  const { promise, reject } = Promise.withResolvers<void>();
  const opening = placements.opening(newId('session'), () => promise);
  time.nowMs = 3_600_000;
  await expect(placements.opening(newId('session'), async () => 'opened')).rejects.toThrow(NoFreeSlot);
  expect(() => placements.place(ask())).toThrow(NoFreeSlot);
  reject(new Error('it fails'));
  await expect(opening).rejects.toThrow('it fails');
  expect(await placements.opening(newId('session'), async () => 'opened')).toBe('opened');
});

test('a runner that lacks a part takes no session until it has it again', () => {
  const { placements, state } = runner(1);
  state.lacking = { part: 'docker', detail: 'connect ENOENT' };
  expect(() => placements.place(ask())).toThrow('runner run-1 lacks docker: connect ENOENT');
  state.lacking = null;
  expect(() => placements.place(ask())).not.toThrow();
});

test('a session that has a slot here gets it again', () => {
  const sessionId = newId('session');
  const { placements } = runner(1, new Set([sessionId]));
  expect(() => placements.place(ask(sessionId))).not.toThrow();
  expect(placements.slots()).toEqual({ total: 1, used: 1 });
  expect(() => placements.place(ask())).toThrow(NoFreeSlot);
});

test('a runner without the labels that are asked for does not take the session', () => {
  const { placements } = runner(5);
  expect(() => placements.place(ask(undefined, { disk: 'ssd' }))).not.toThrow();
  expect(() => placements.place(ask(undefined, { gpu: 'yes' }))).toThrow(/gpu=yes/);
});
