import { create } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import { expect, test } from 'vitest';
import { createProducerNumbers } from './producer-numbers.ts';

const event = (producer: string, number: number) => create(EventSchema, { producer, number: BigInt(number) });

test('an event follows the one before it, or one that was read from the history, and nothing else', () => {
  const numbers = createProducerNumbers();
  expect(numbers.follows(event('a', 1))).toBe(true);
  expect(numbers.follows(event('a', 2))).toBe(true);
  expect(numbers.follows(event('a', 4))).toBe(false);
  expect(numbers.follows(event('a', 5))).toBe(true);
  expect(numbers.follows(event('b', 2))).toBe(false);
  numbers.note(event('c', 7));
  expect(numbers.follows(event('c', 8))).toBe(true);
  expect(numbers.follows(event('c', 8))).toBe(true);
});

test('a producer that was forgotten for space is looked up again', () => {
  const numbers = createProducerNumbers(2);
  for (const name of ['a', 'b', 'c']) expect(numbers.follows(event(name, 1))).toBe(true);
  expect(numbers.follows(event('b', 2))).toBe(true);
  expect(numbers.follows(event('a', 2))).toBe(false);
});
