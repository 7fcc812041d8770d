// The messages of a stream from one sequence on, in order, without a hole. The reader decides when it takes more.
//
// 1. Sequences only grow. A delivery that was lost on the way breaks the feed (`take` rejects); the reader opens it again where
//    it stands. Redelivered messages are passed over.
// 2. What is fetched and not taken is bounded: the next fetch waits until the buffer is below its mark, and asks for as many messages as
//    are `fetchBytes` where they are as large as those of the last fetch, and no more than four times as many as came by that. Where
//    many large ones come after small ones all the same, the feed breaks before they are too much. No more than `outstandingMax`
//    messages are delivered and not acknowledged.
// 3. Who takes for a batch waits a little for company, but not once it holds what a reader asked for with `hurry`.

import { AckPolicy, DeliverPolicy, type JetStreamClient, type JetStreamManager, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

export interface FeedOptions {
  stream: string;
  /** Durable name. There is one feed per name; opening it takes it from an older one. */
  consumer: string;
  startSequence: number;
  /** Of what is acknowledged at once. */
  batchRowsMax: number;
}

export interface Take {
  /** At most so much of what is there, but one message at least. */
  rows: number;
  bytes: number;
  /** By the process's clock: nothing is waited for beyond it. Without it, for ever. */
  deadlineMs?: number;
}

export interface Feed {
  /** What is there, once something is; nothing where the deadline passes, or all that someone waits for was taken. @throws when the feed is broken or closed. */
  take(take: Take): Promise<JsMsg[]>;
  /** Whether someone waits for one of these sequences. */
  isHurried(first: number, last: number): boolean;
  /** Someone waits for this sequence. */
  hurry(sequence: number): void;
  /** Messages of the stream that were not taken yet, as far as is known. */
  pending(): number;
  close(reason: Error): void;
}

/** What is held survives collections of garbage, and is copied by each: so little that it hardly matters, and enough that NATS is never waited for. */
const fetchMessagesMax = 256;
/** As many of the largest that NATS takes (1 MiB) are held. */
const fetchMessagesMin = 32;
const fetchBytes = 8 * 1024 * 1024;
const fetchExpiresMs = 4_000;
const bufferBytesMax = 4 * 1024 * 1024;
/** Above the next fetch of the largest output. */
const bufferBytesMost = 96 * 1024 * 1024;
const bufferRowsMax = 256;
/** One batch is stored and one made while more is fetched. */
const outstandingBatches = 4;
const ackWaitMs = 3_600_000;

export async function openFeed(js: JetStreamClient, jsm: JetStreamManager, options: FeedOptions): Promise<Feed> {
  await replaceConsumer(jsm, options);
  const consumer = await js.consumers.get(options.stream, options.consumer);
  const buffer: JsMsg[] = [];
  let bufferBytes = 0;
  let pending = 0;
  let lastSequence = options.startSequence - 1;
  let lastDelivery = 0;
  let hurried = 0;
  let broken: Error | undefined;
  const wakers = new Set<() => void>();
  let stopFetch: () => void = () => {};

  function accept(message: JsMsg): void {
    const { deliverySequence, streamSequence } = message.info;
    if (deliverySequence !== lastDelivery + 1) {
      throw new Error(`delivery ${deliverySequence} of ${options.stream} came after ${lastDelivery}`);
    }
    lastDelivery = deliverySequence;
    pending = message.info.pending;
    if (streamSequence <= lastSequence) return;
    lastSequence = streamSequence;
    buffer.push(message);
    bufferBytes += message.data.length;
    if (bufferBytes > bufferBytesMost) throw new Error(`${bufferBytes} bytes of ${options.stream} came at once`);
    if (buffer.length === 1) wake();
  }

  async function pump(): Promise<void> {
    for (let [count, bytes] = [0, 0]; !broken; ) {
      const max_messages = fetchLength(count, bytes);
      const messages = await consumer.fetch({ max_messages, expires: fetchExpiresMs });
      stopFetch = () => messages.stop();
      [count, bytes] = [0, 0];
      for await (const message of messages) {
        if (broken) return;
        count++;
        bytes += message.data.length;
        accept(message);
      }
      while (!broken && (bufferBytes > bufferBytesMax || buffer.length > bufferRowsMax)) await changed();
    }
  }

  function wake(): void {
    for (const waker of [...wakers]) waker();
  }

  function changed(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(done, timeoutMs);
      function done(): void {
        clearTimeout(timer);
        wakers.delete(done);
        resolve();
      }
      wakers.add(done);
    });
  }

  function breakWith(error: Error): void {
    broken ??= error;
    stopFetch();
    wake();
  }

  pump().catch((error: unknown) => breakWith(error instanceof Error ? error : new Error(String(error))));

  return {
    take: async ({ rows, bytes, deadlineMs }) => {
      while (buffer.length === 0 && !broken) {
        const leftMs = deadlineMs === undefined ? undefined : deadlineMs - performance.now();
        if (leftMs !== undefined && (leftMs <= 0 || (hurried > 0 && hurried <= lastSequence))) return [];
        await changed(leftMs);
      }
      if (broken) throw broken;
      const taken = buffer.splice(0, batchLength(buffer, rows, bytes));
      for (const message of taken) bufferBytes -= message.data.length;
      wake();
      return taken;
    },
    isHurried: (first, last) => first <= hurried && hurried <= last,
    hurry: (sequence) => {
      hurried = Math.max(hurried, sequence);
      wake();
    },
    pending: () => pending + buffer.length,
    close: breakWith,
  };
}

/** How many messages one fetch asks for, after one by which so many came. */
export function fetchLength(count: number, bytes: number): number {
  if (count === 0) return fetchMessagesMin;
  const ofTheirSize = Math.floor((fetchBytes * count) / Math.max(1, bytes));
  return Math.max(1, Math.min(fetchMessagesMax, ofTheirSize, Math.max(fetchMessagesMin, 4 * count)));
}

/** How many messages from the front fit the bounds; at least one. */
export function batchLength(
  messages: readonly { data: { length: number } }[],
  rowsMax: number,
  bytesMax: number,
): number {
  let bytes = 0;
  for (let count = 0; count < messages.length; count++) {
    bytes += messages[count]!.data.length;
    if (count >= rowsMax || (count > 0 && bytes > bytesMax)) return count;
  }
  return messages.length;
}

/** The stream's position is ClickHouse's, not the consumer's: a consumer from before would deliver what it was left with. */
async function replaceConsumer(jsm: JetStreamManager, options: FeedOptions): Promise<void> {
  await jsm.consumers.delete(options.stream, options.consumer).catch(() => false);
  await jsm.consumers.add(options.stream, {
    durable_name: options.consumer,
    ack_policy: AckPolicy.All,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: outstandingBatches * options.batchRowsMax,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: options.startSequence,
  });
}
