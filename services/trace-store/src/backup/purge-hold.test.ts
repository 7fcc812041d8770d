import { expect, test } from 'vitest';
import { createPurgeHold } from './purge-hold.ts';

test('while it is held nothing is purged, and a hold ends by itself', async () => {
  let nowMs = 0;
  let purges = 0;
  const hold = createPurgeHold(() => nowMs);
  const purge = async () => void (purges += 1);
  await hold.unlessHeld(purge);
  expect(await hold.hold(10)).toBe(false);
  await hold.unlessHeld(purge);
  expect(purges).toBe(1);
  nowMs = 9_999;
  expect(await hold.hold(10)).toBe(true);
  nowMs = 19_999;
  await hold.unlessHeld(purge);
  expect(purges).toBe(2);
  expect(await hold.hold(10)).toBe(false);
  await hold.hold(0);
  await hold.unlessHeld(purge);
  expect(purges).toBe(3);
});

test('who holds waits for the purge that is under way', async () => {
  const hold = createPurgeHold(() => 0);
  const purging = Promise.withResolvers<void>();
  const order: string[] = [];
  void hold.unlessHeld(async () => {
    await purging.promise;
    order.push('purged');
  });
  const held = hold.hold(5).then(() => order.push('held'));
  purging.resolve();
  await held;
  expect(order).toEqual(['purged', 'held']);
});
