import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { allBytesMax, createLiveSubscriber } from './live-subscription.ts';

const headers = { get: () => '1' };
/** An event of an unknown field: parsed, and as big as it says. */
const messageOf = (bytes: number) => {
  const data = new Uint8Array(bytes);
  const length = bytes - 4;
  // Field 1000, length-delimited, in three bytes of length at most.
  data.set([0xc2, 0x3e, (length & 0x7f) | 0x80, length >> 7]);
  return { subject: 's', headers, data } as unknown as Msg;
};

/** Every message goes to every subscription. */
function openLive() {
  const callbacks = new Set<(error: Error | null, message: Msg) => void>();
  const connection = {
    status: async function* () {},
    flush: async () => {},
    subscribe: (_subject: string, options: { callback: (error: Error | null, message: Msg) => void }) => {
      callbacks.add(options.callback);
      return { unsubscribe: () => callbacks.delete(options.callback) };
    },
  } as unknown as NatsConnection;
  const publish = (message: Msg) => callbacks.forEach((callback) => callback(null, message));
  return { live: createLiveSubscriber(connection), publish, subscribed: () => callbacks.size };
}

test('many subscriptions share what may be buffered, and one alone has more', () => {
  const each = 8_192;
  const { live, publish } = openLive();
  const alone = live.subscribe('s');
  const rest = Array.from({ length: allBytesMax / (8 * each) - 1 }, () => live.subscribe('s'));
  for (let count = 0; count < 9; count++) publish(messageOf(each));
  expect(alone.isWhole()).toBe(true);
  publish(messageOf(each));
  expect(alone.isWhole()).toBe(false);
  for (const subscription of rest) subscription.close();
  alone.close();
  const next = live.subscribe('s');
  for (let count = 0; count < 20; count++) publish(messageOf(each));
  expect(next.isWhole()).toBe(true);
});

test('a subscription whose messages are taken as they come stays whole however many there are', () => {
  const { live, publish } = openLive();
  const subscription = live.subscribe('s');
  publish(messageOf(8_192));
  for (let count = 0; count < 4_000; count++) {
    publish(messageOf(8_192));
    subscription.take();
  }
  expect(subscription.isWhole()).toBe(true);
  subscription.close();
});

test('a subscription that ran over is sent nothing until it is renewed, and is whole again then', async () => {
  const { live, publish, subscribed } = openLive();
  const subscription = live.subscribe('s');
  for (let count = 0; subscription.isWhole() && count < 100_000; count++) publish(messageOf(8_192));
  expect(subscription.isWhole()).toBe(false);
  expect(subscribed()).toBe(0);
  await subscription.renew();
  publish(messageOf(8_192));
  expect(subscription.isWhole()).toBe(true);
  expect(subscription.take()?.bytes).toBe(8_192);
  subscription.close();
  expect(subscribed()).toBe(0);
});
