import { JetStreamApiError } from '@nats-io/jetstream';
import { ClosedConnectionError, RequestError, TimeoutError } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { isStoreAway } from './store-away.ts';

const answered = (code: number, err_code: number) =>
  new JetStreamApiError({ code, err_code, description: 'what it says' } as never);

test('a store that is away is told from one that answers', () => {
  expect(isStoreAway(new TimeoutError())).toBe(true);
  expect(isStoreAway(new RequestError('the connection was lost'))).toBe(true);
  expect(isStoreAway(new Error('a bundle cannot be read', { cause: new ClosedConnectionError() }))).toBe(true);
  expect(isStoreAway(answered(503, 10_008))).toBe(true);
  expect(isStoreAway(answered(404, 10_059))).toBe(false);
  expect(isStoreAway(new Error('no such container'))).toBe(false);
  expect(isStoreAway('gone')).toBe(false);
});
