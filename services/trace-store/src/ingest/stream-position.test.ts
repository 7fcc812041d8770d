import fc from 'fast-check';
import { expect, test } from 'vitest';
import { streamPosition } from './stream-position.ts';

test('ingest goes on after what is stored of the same incarnation', () => {
  expect(streamPosition(100, 50, { epoch: 100, sequence: 30 })).toEqual({
    epoch: 100,
    storedSequence: 30,
    declare: false,
  });
});

test('a new incarnation is read from its beginning', () => {
  expect(streamPosition(200, 5, { epoch: 100, sequence: 30 })).toEqual({
    epoch: 200,
    storedSequence: 0,
    declare: false,
  });
  expect(streamPosition(200, 5, undefined)).toEqual({ epoch: 200, storedSequence: 0, declare: false });
});

test('a stream that lost what was stored gets a new epoch, so that no cursor names another event', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(100), fc.nat(100), fc.nat(100), (epoch, last, storedEpoch, storedSequence) => {
      const position = streamPosition(epoch, last, { epoch: storedEpoch, sequence: storedSequence });
      const reused = position.epoch === storedEpoch && position.storedSequence < storedSequence;
      expect(reused).toBe(false);
      expect(position.epoch).toBeGreaterThanOrEqual(storedEpoch);
      if (position.storedSequence > 0) expect(position.storedSequence).toBeLessThanOrEqual(last);
    }),
  );
});
