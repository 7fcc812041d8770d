import type { RunnerDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { expect, test } from 'vitest';
import { createPlacements, NoFreeSlot, TakesNoSession } from './placement.ts';
import { plainEnvironment } from '../runner-bench.ts';

function runner(sessionsMax: number, occupied = new Map<string, Holder>(), memoryMbMax: number | null = null) {
  const time = { nowMs: 0 };
  const state: { lacking: RunnerDocument['unavailable']; draining: boolean } = { lacking: null, draining: false };
  const bounds = { runnerId: 'run-1', labels: { disk: 'ssd' }, sessionsMax, memoryMbMax };
  const shared = { ...bounds, lacking: () => state.lacking, isDraining: () => state.draining };
  return {
    placements: createPlacements({ ...shared, occupied: () => occupied, clock: () => time.nowMs }),
    time,
    state,
  };
}

interface Holder {
  organizationId: string;
  memoryMb: number;
}

const ask = (sessionId = newId('session'), runnerLabels = {}, organizationId = 'org-a') => ({
  organizationId,
  sessionId,
  environment: { ...plainEnvironment, runnerLabels },
  waitingSince: null,
  onlyHere: false,
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
  const opening = placements.opening(ask(), () => promise);
  time.nowMs = 3_600_000;
  await expect(placements.opening(ask(), async () => 'opened')).rejects.toThrow(NoFreeSlot);
  expect(() => placements.place(ask())).toThrow(NoFreeSlot);
  reject(new Error('it fails'));
  await expect(opening).rejects.toThrow('it fails');
  time.nowMs += 6_001;
  expect(await placements.opening(ask(), async () => 'opened')).toBe('opened');
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
  const { placements } = runner(1, new Map([[sessionId, { organizationId: 'org-a', memoryMb: 256 }]]));
  expect(() => placements.place(ask(sessionId))).not.toThrow();
  expect(placements.slots()).toEqual({ total: 1, used: 1, memoryMb: { total: null, used: 256 } });
  expect(() => placements.place(ask())).toThrow(NoFreeSlot);
});

test('a runner without the labels that are asked for does not take the session', () => {
  const { placements } = runner(5);
  expect(() => placements.place(ask(undefined, { disk: 'ssd' }))).not.toThrow();
  expect(() => placements.place(ask(undefined, { gpu: 'yes' }))).toThrow(/gpu=yes/);
});

const held = (...organizations: string[]) =>
  new Map(organizations.map((organizationId, i) => [`held-${i}`, { organizationId, memoryMb: 512 }]));

test('a free slot goes to the organization that has the fewest, not to who asks next', () => {
  const occupied = held('org-a', 'org-a');
  const { placements, time } = runner(2, occupied);
  const many = Array.from({ length: 30 }, () => ask());
  const one = ask(undefined, {}, 'org-b');
  for (const asked of [...many, one]) expect(() => placements.place(asked)).toThrow('all 2 slots of runner run-1');
  time.nowMs += 2_000;
  occupied.delete('held-0');
  for (const asked of many) expect(() => placements.place(asked)).toThrow('others that wait for a slot');
  expect(() => placements.place(one)).not.toThrow();
});

test('who has waited longest by its own account is next, and who does not ask any more is not waited for', () => {
  const occupied = held('org-a');
  const { placements, time } = runner(1, occupied);
  const since = (iso: string) => ({ ...ask(), waitingSince: iso });
  const [late, early] = [since('2026-01-01T00:00:01Z'), since('2026-01-01T00:00:00Z')];
  for (const asked of [late, early]) expect(() => placements.place(asked)).toThrow(NoFreeSlot);
  occupied.clear();
  expect(() => placements.place(late)).toThrow('others that wait');
  time.nowMs += 6_001;
  expect(() => placements.place(late)).not.toThrow();
});

test('memory is a bound of its own, and a refusal says which of them it was', async () => {
  const occupied = held('org-a');
  const { placements } = runner(4, occupied, 1_000);
  const first = ask();
  expect(() => placements.place(first)).toThrow('488 of its 1000 MiB of memory left, and 512 are asked');
  expect(placements.slots()).toEqual({ total: 4, used: 1, memoryMb: { total: 1_000, used: 512 } });
  expect(placements.missing(0)).toEqual({ count: 0, memoryMb: 24 });
  occupied.clear();
  await placements.opening(first, async () => expect(() => placements.place(ask())).toThrow('MiB of memory left'));
  const small = runner(4, new Map(), 100);
  expect(() => small.placements.place(ask())).toThrow('gives sandboxes 100 MiB of memory, and 512 are asked');
  expect(small.placements.missing(0)).toEqual({ count: 0, memoryMb: 0 });
});

test('what is missing counts those that have waited for a while and ask still', () => {
  const { placements, time } = runner(1, held('org-a'));
  for (const asked of [ask(), ask()]) expect(() => placements.place(asked)).toThrow(NoFreeSlot);
  expect(placements.missing(1_000).count).toBe(0);
  time.nowMs += 1_000;
  expect(placements.missing(1_000).count).toBe(2);
  time.nowMs += 6_000;
  expect(placements.missing(1_000).count).toBe(0);
});

test('a runner that drains takes no session, but opens again what is open on it, and what is nowhere else', async () => {
  const { placements, state } = runner(4, new Map([['sess-here', { organizationId: 'org-a', memoryMb: 1 }]]));
  state.draining = true;
  expect(() => placements.place(ask())).toThrow('runner run-1 drains');
  await expect(placements.opening(ask(), async () => 'opened')).rejects.toThrow(TakesNoSession);
  expect(await placements.opening(ask('sess-here'), async () => 'opened')).toBe('opened');
  expect(await placements.opening({ ...ask(), onlyHere: true }, async () => 'opened')).toBe('opened');
  state.draining = false;
  expect(() => placements.place(ask())).not.toThrow();
});
