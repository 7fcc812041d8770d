// Whatever is delivered in whatever batches, how often, by which of two consumers, and wherever one of them is killed: the tables hold each
// event once, and each output's bytes once, without FINAL.

import { newId } from '@worktrail/contract/ids';
import { eventSubject } from '@worktrail/contract/subjects';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { createEventSink } from './event-sink.ts';
import type { Batch } from './ingest.ts';
import { ownStore } from './ingest-lease.ts';
import type { StreamMessage } from './stream-message.ts';
import { applySchema } from '../clickhouse/schema.ts';
import { sql } from '../clickhouse/sql-text.ts';
import { batchOf, eventBytes, newSession, output, type TestSession } from '../trace-store-fixture.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('exactly-once');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const epoch = 1_790_000_000_000;

/** Which producer publishes next; now and then one publishes again what it had published, as where an answer was lost. */
const publications = fc.array(fc.record({ producer: fc.nat(4), isAgain: fc.boolean() }), {
  minLength: 1,
  maxLength: 60,
});

interface Step {
  consumer: 0 | 1;
  /** Begins that far before what is stored. */
  redelivered: number;
  batches: { length: number; fault: Fault | undefined }[];
}

interface Fault {
  /** So many writes of the batch are done before it. */
  writes: number;
  /** Whether the one that fails is done, too, but nobody learns of it. */
  isDone: boolean;
  /** Else the same consumer stores the same batch again. */
  isDeath: boolean;
}

const fault = fc.record({ writes: fc.nat(6), isDone: fc.boolean(), isDeath: fc.boolean() });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    consumer: fc.constantFrom(0 as const, 1 as const),
    redelivered: fc.nat(20),
    batches: fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 25 }), fault: fc.option(fault, { nil: undefined }) }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  { maxLength: 6 },
);

interface Published {
  stream: StreamMessage[];
  /** In the order of their sequences, each with its first one. */
  events: { producer: string; number: number; sequence: number; body: string }[];
  session: TestSession;
}

/** `session` tells of the session, the others are commands that print. */
function publish(partition: number, given: readonly { producer: number; isAgain: boolean }[]): Published {
  const session = { ...newSession(), partition };
  const producers = ['session', ...Array.from({ length: 4 }, () => newId('command'))];
  const last = new Map<string, { number: number; position: number; data: Uint8Array }>();
  const stream: StreamMessage[] = [];
  const events: Published['events'] = [];
  for (const { producer: index, isAgain } of given) {
    const producer = producers[index]!;
    const sequence = stream.length + 1;
    const before = last.get(producer);
    if (before && isAgain) {
      stream.push({ subject: eventSubject(session, producer), sequence, data: before.data });
      continue;
    }
    const number = (before?.number ?? 0) + 1;
    const position = before?.position ?? 0;
    const body = index === 0 ? '' : `${producer} ${number}\n`.repeat(number % 3);
    const payload =
      index === 0
        ? { case: 'sessionBusy' as const, value: {} }
        : output(number % 2 === 0 ? 'stdout' : 'stderr', position, position, Buffer.from(body));
    const data = eventBytes(session, producer, number, payload);
    stream.push({ subject: eventSubject(session, producer), sequence, data });
    events.push({ producer, number, sequence, body });
    last.set(producer, { number, position: position + body.length, data });
  }
  return { stream, events, session };
}

class Failed extends Error {}

/** The same ClickHouse, one of whose next writes fails. */
function failing(next: { fault: Fault | undefined; writes: number }): ClickHouse {
  const guarded = async (write: () => Promise<void>) => {
    const { fault: given } = next;
    const fails = given !== undefined && next.writes++ === given.writes;
    if (fails) next.fault = undefined;
    if (!fails || given.isDone) await write();
    if (fails) throw new Failed('the answer is lost');
  };
  return {
    ...clickhouse,
    insert: (...given) => guarded(() => clickhouse.insert(...given)),
    insertBinary: (...given) => guarded(() => clickhouse.insertBinary(...given)),
  };
}

function openConsumer(partition: number) {
  const next: { fault: Fault | undefined; writes: number } = { fault: undefined, writes: 0 };
  const sink = createEventSink({
    clickhouse: failing(next),
    journals: { open: () => ({ read: async () => undefined }) },
    deadLetters: { newestOf: async () => undefined },
    ...{ partition, right: ownStore, now: () => new Date() },
  });
  return { sink, next };
}

/** Until it is through or killed. */
async function store(batch: Batch, isDeath: boolean): Promise<boolean> {
  // What is under way when a process is killed may still be done.
  for (;;) {
    try {
      await batch.store();
      return true;
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      if (isDeath) return false;
    }
  }
}

async function run({ stream, session: { partition } }: Published, given: readonly Step[]): Promise<void> {
  let consumers = [openConsumer(partition), openConsumer(partition)];
  const whole = { length: stream.length, fault: undefined };
  for (const step of [...given, { consumer: 0 as const, redelivered: 3, batches: [whole, whole] }]) {
    const { sink, next } = consumers[step.consumer]!;
    const stored = (await sink.storedPosition())?.sequence ?? 0;
    let from = Math.max(0, stored - step.redelivered);
    for (const { length, fault: its } of step.batches) {
      const batch = stream.slice(from, from + length);
      if (batch.length === 0) break;
      Object.assign(next, { fault: its, writes: 0 });
      const isStored = await store(await batchOf(sink, batch, epoch), its?.isDeath ?? false);
      next.fault = undefined;
      if (!isStored) {
        consumers = consumers.with(step.consumer, openConsumer(partition));
        break;
      }
      from += length;
    }
  }
}

test('each event and each byte of output is there once', async () => {
  let partition = 100;
  await fc.assert(
    fc.asyncProperty(publications, steps, async (given, order) => {
      const published = publish(partition++, given);
      await run(published, order);
      const { sessionId } = published.session;
      const [events, outputs] = await Promise.all([
        clickhouse.rows(
          sql`SELECT producer, toUInt32(number) AS number, toUInt32(sequence) AS sequence, size FROM events_v1
              WHERE session_id = ${sessionId} ORDER BY sequence, number`.text,
        ),
        clickhouse.rows(
          sql`SELECT command_id AS producer, toUInt32(sequence) AS sequence, body FROM command_output_v1
              WHERE session_id = ${sessionId} ORDER BY sequence`.text,
        ),
      ]);
      expect(events).toEqual(
        published.events.map(({ producer, number, sequence, body }) => ({
          producer,
          number,
          sequence,
          size: body.length,
        })),
      );
      expect(outputs).toEqual(
        published.events.flatMap(({ producer, sequence, body }) => (body === '' ? [] : [{ producer, sequence, body }])),
      );
    }),
    { numRuns: 40 },
  );
});
