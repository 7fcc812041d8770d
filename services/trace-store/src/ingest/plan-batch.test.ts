import { create } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ParsedEvent } from './parse-event.ts';
import { producerKey, sessionKey } from './event-keys.ts';
import { planBatch } from './plan-batch.ts';

function parsed(producer: string, number: number, sequence: number): ParsedEvent {
  const payload = { case: 'sessionArchived' as const, value: {} };
  const event = create(EventSchema, {
    organizationId: 'org',
    sessionId: 'ses',
    producer,
    number: BigInt(number),
    payload,
  });
  return {
    producerKey: producerKey(event),
    sessionKey: sessionKey(event),
    sequence,
    fill: 0,
    event,
    payload: event.payload as ParsedEvent['payload'],
    type: 'session.archived',
    number,
    time: new Date(0),
    size: 0,
  };
}

const deliveries = fc.array(
  fc.record({ producer: fc.constantFrom('a', 'b', 'c'), number: fc.integer({ min: 1, max: 12 }) }),
  {
    maxLength: 60,
  },
);
const toEvents = (list: { producer: string; number: number }[]) =>
  list.map(({ producer, number }, index) => parsed(producer, number, index + 1));

test('a gap that says itself what is missing before it is no sign of a hole', () => {
  const payload = { case: 'gap' as const, value: { producer: 'a', fromNumber: 2n, toNumber: 4n } };
  const event = create(EventSchema, { organizationId: 'org', sessionId: 'ses', producer: 'a', number: 4n, payload });
  const gap: ParsedEvent = {
    ...parsed('a', 4, 2),
    event,
    payload: event.payload as ParsedEvent['payload'],
    type: 'gap',
  };
  const plan = planBatch([parsed('a', 1, 1), gap, parsed('a', 5, 3)], () => 0);
  expect([plan.store.length, plan.holes.size]).toEqual([3, 0]);
  // It says less than is missing.
  expect(planBatch([gap], () => 0).holes.size).toBe(1);
});

test('what is stored of a producer only grows, and order is kept', () => {
  fc.assert(
    fc.property(deliveries, (list) => {
      const plan = planBatch(toEvents(list), () => 0);
      for (const producer of ['a', 'b', 'c']) {
        const numbers = plan.store.filter(({ event }) => event.producer === producer).map(({ number }) => number);
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      }
      const sequences = plan.store.map(({ sequence }) => sequence);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
      expect(plan.store.length + plan.duplicates).toBe(list.length);
    }),
  );
});

test('a stream cut into batches anywhere, and delivered again from anywhere, stores the same events', () => {
  fc.assert(
    fc.property(deliveries, fc.array(fc.nat(60), { maxLength: 5 }), fc.nat(20), (list, cuts, repeated) => {
      const events = toEvents(list);
      const whole = planBatch(events, () => 0).store.map(({ sequence }) => sequence);
      const marks = new Map<string, number>();
      const stored: number[] = [];
      const borders = [0, ...cuts.map((cut) => Math.min(cut, events.length)).sort((a, b) => a - b), events.length];
      for (let i = 1; i < borders.length; i++) {
        const start = Math.max(0, borders[i - 1]! - repeated);
        const plan = planBatch(events.slice(start, borders[i]), (key) => marks.get(key) ?? 0);
        stored.push(...plan.store.map(({ sequence }) => sequence));
        for (const [key, mark] of plan.marks) marks.set(key, mark);
      }
      expect(stored).toEqual(whole);
    }),
  );
});

test('a hole is named from its first to its last missing number', () => {
  const plan = planBatch([parsed('a', 3, 1), parsed('a', 4, 2), parsed('a', 9, 3)], () => 1);
  const [third, fourth, ninth] = plan.store;
  expect([...plan.holes.values()]).toEqual([
    { fromNumber: 2, toNumber: 2, before: third, previous: undefined },
    { fromNumber: 5, toNumber: 8, before: ninth, previous: fourth },
  ]);
  expect(plan.store).toHaveLength(3);
  expect(plan.marks.get(producerKey({ organizationId: 'org', sessionId: 'ses', producer: 'a' }))).toBe(9);
});
