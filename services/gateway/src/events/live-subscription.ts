// Events as they pass on NATS: a plain subscription with a bounded buffer that knows when it may have missed something.
//
// 1. `isWhole` is false once the buffer ran over or the connection to NATS was interrupted since `renew`: what came in between is
//    in the history, and only there. A subscription that is not whole keeps nothing, and after a message that it could not keep it
//    gets nothing either, until `renew`.
// 2. `more` resolves when there is something to take, when wholeness is lost, when the time is over, or when `signal` aborts.

import { fromBinary } from '@bufbuild/protobuf';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { callTimeoutsMs, within } from '../deadline.ts';

export interface LiveMessage {
  subject: string;
  /** In the stream. */
  sequence: number;
  /** Of the message before it on its subject; 0: the first. */
  lastSequence: number;
  event: Event;
  /** As it was published. */
  bytes: number;
}

export interface LiveSubscription {
  isWhole(): boolean;
  /** From here on it is whole: reading the history must begin after this. @throws dependency_unavailable */
  renew(): Promise<void>;
  take(): LiveMessage | undefined;
  more(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

export interface LiveSubscriber {
  subscribe(subject: string): LiveSubscription;
  /** Grows with every interruption of the connection. */
  interruptions(): number;
}

const messagesMax = 2_000;
const bytesMax = 8 * 1024 * 1024;
/** Of all subscriptions together: where there are many, each has its share of this. */
export const allBytesMax = 256 * 1024 * 1024;

export function createLiveSubscriber(connection: NatsConnection): LiveSubscriber {
  const interruptions = countInterruptions(connection);
  let open = 0;
  const bufferBytesMax = () => Math.min(bytesMax, allBytesMax / open);
  return {
    interruptions: interruptions.count,
    subscribe(subject) {
      open += 1;
      const subscription = openSubscription(connection, subject, { interruptions, bufferBytesMax });
      let isOpen = true;
      return {
        ...subscription,
        close() {
          if (isOpen) open -= 1;
          isOpen = false;
          subscription.close();
        },
      };
    },
  };
}

interface Interruptions {
  count(): number;
  onChange(listener: () => void): () => void;
}

function countInterruptions(connection: NatsConnection): Interruptions {
  let count = 0;
  const listeners = new Set<() => void>();
  let isWatching = false;
  const watch = async () => {
    if (isWatching) return;
    isWatching = true;
    for await (const status of connection.status()) {
      if (status.type !== 'disconnect' && status.type !== 'reconnect' && status.type !== 'slowConsumer') continue;
      count += 1;
      for (const listener of listeners) listener();
    }
  };
  return {
    count() {
      void watch();
      return count;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function openSubscription(
  connection: NatsConnection,
  subject: string,
  { interruptions, bufferBytesMax }: { interruptions: Interruptions; bufferBytesMax: () => number },
): LiveSubscription {
  let buffer: LiveMessage[] = [];
  let bytes = 0;
  let overflowed = false;
  let interruptionsSeen = interruptions.count();
  let wake: (() => void) | undefined;
  const isWhole = () => !overflowed && interruptionsSeen === interruptions.count();
  const drop = () => {
    buffer = [];
    bytes = 0;
  };
  const forget = interruptions.onChange(() => wake?.());
  let subscription: Subscription | undefined;
  const stop = () => {
    subscription?.unsubscribe();
    subscription = undefined;
  };
  const listen = () => {
    subscription ??= connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) accept(message);
      },
    });
  };
  const accept = (message: Msg): void => {
    if (!isWhole()) return stop();
    const live = parse(message);
    if (live === undefined || buffer.length >= messagesMax || bytes > bufferBytesMax()) {
      overflowed = true;
      drop();
      stop();
    } else {
      buffer.push(live);
      bytes += live.bytes;
    }
    wake?.();
  };
  listen();
  return {
    isWhole,
    async renew() {
      drop();
      overflowed = false;
      interruptionsSeen = interruptions.count();
      listen();
      await within('nats', callTimeoutsMs.nats, () => connection.flush());
    },
    take() {
      if (!isWhole()) drop();
      const message = buffer.shift();
      bytes -= message?.bytes ?? 0;
      return message;
    },
    async more(timeoutMs, signal) {
      if (buffer.length > 0 || !isWhole() || signal?.aborted || timeoutMs <= 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, timeoutMs);
      const goOn = () => resolve();
      signal?.addEventListener('abort', goOn, { once: true });
      wake = goOn;
      await promise;
      wake = undefined;
      clearTimeout(timer);
      signal?.removeEventListener('abort', goOn);
    },
    close() {
      forget();
      stop();
      drop();
    },
  };
}

/** Undefined for what is no event: it counts as something missed, and the history tells what it is. */
function parse(message: Msg): LiveMessage | undefined {
  const sequence = Number(message.headers?.get('Nats-Sequence'));
  const lastSequence = Number(message.headers?.get('Nats-Last-Sequence'));
  if (!(sequence > 0) || !(lastSequence >= 0)) return undefined;
  try {
    const event = fromBinary(EventSchema, message.data);
    return { subject: message.subject, sequence, lastSequence, event, bytes: message.data.byteLength };
  } catch {
    return undefined;
  }
}
