import { createLifetime } from '@worktrail/runtime/lifetime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { effectMsMax, idleMsMin } from './eviction.ts';
import type { SlotHolder } from '../sessions/open-sandboxes.ts';
import { log } from '../runner-bench.ts';
import { createSessionActivity } from '../sessions/session-activity.ts';
import { startSlotKeeping } from './slot-keeping.ts';

const state = { nowMs: 0, draining: false, missing: 0, busy: [] as string[], occupied: new Map<string, SlotHolder>() };
const asked: string[] = [];
let lifetime = createLifetime(log);
const activity = createSessionActivity(() => state.nowMs);
let look: () => void;

beforeEach(() => {
  const holder = (openedMs: number) => ({ organizationId: 'org', memoryMb: 1, openedMs });
  const occupied = new Map([
    ['early', holder(0)],
    ['late', holder(500)],
  ]);
  Object.assign(state, { nowMs: idleMsMin + 1_000, draining: false, missing: 0, busy: [], occupied });
  asked.length = 0;
  lifetime = createLifetime(log);
  look = startSlotKeeping(
    {
      placements: { missing: () => ({ count: state.missing, memoryMb: 0 }) },
      commands: { list: () => state.busy.map((sessionId) => ({ input: { sessionId } })) as never },
      occupied: () => state.occupied,
      activity,
      isDraining: () => state.draining,
      askToSleep: async (sessionId, reason) => void asked.push(`${sessionId}: ${reason}`),
      clock: () => state.nowMs,
    },
    lifetime,
  );
});
afterEach(() => lifetime.close());

test('nobody is asked to sleep while nobody lacks a place', () => {
  look();
  expect(asked).toEqual([]);
});

test('who was opened first and not used since gives way, unless a command is live in it', () => {
  state.missing = 1;
  state.busy = ['early'];
  look();
  expect(asked).toEqual(['late: slot_needed']);
});

test('what was used lately counts as used then', () => {
  state.missing = 1;
  activity.touch('early');
  state.nowMs += idleMsMin;
  look();
  expect(asked).toEqual(['late: slot_needed']);
});

test('a runner that drains asks all of its sessions, also those with a live command', () => {
  Object.assign(state, { draining: true, busy: ['late'] });
  look();
  expect(asked).toEqual(['early: runner_draining', 'late: runner_draining']);
  state.nowMs += effectMsMax;
  state.occupied.delete('early');
  look();
  expect(asked.slice(2)).toEqual(['late: runner_draining']);
});
