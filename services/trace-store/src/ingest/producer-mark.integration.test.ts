// The mark of a producer in a real ClickHouse directory: what it says, and what is read for it of a session of a million events.

import { newId } from '@worktrail/contract/ids';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applySchema } from '../clickhouse/schema.ts';
import { type ClickHouse, type ClickHouseReader, openClickHouse } from '../clickhouse/store.ts';
import { rowsReadBy } from '../rows-read-fixture.ts';
import { ended, eventBytes, newSession, output, queued, storeAll } from '../trace-store-fixture.ts';
import { createEventSink } from './event-sink.ts';
import { ownStore } from './ingest-lease.ts';
import type { ParsedEvent } from './parse-event.ts';
import { readProducerMark } from './producer-mark.ts';
import { createProducerMarks } from './producer-marks.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('producer-mark');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ stream: fc.constantFrom('stdout', 'stderr'), bytes: fc.integer({ min: 1, max: 9 }) }),
  },
  fc.record({ lost: fc.integer({ min: 1, max: 50 }) }),
  fc.constant('started' as const),
);

test('a mark is what its publisher has, whatever it published, and however that was stored', async () => {
  const now = () => new Date();
  const journals = { open: () => ({ read: async () => undefined }) };
  const deadLetters = { newestOf: async () => undefined };
  const sink = createEventSink({ clickhouse, journals, deadLetters, partition: 0, right: ownStore, now });
  let sequence = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), fc.nat(12), async (steps, ends, cut) => {
      const session = newSession();
      const producer = newId('command');
      const has = { stdoutOffset: 0, stderrOffset: 0, position: 0 };
      let number = 0;
      const subject = `worktrail.events.0.${session.organizationId}.${session.sessionId}.${producer}`;
      const message = (payload: Parameters<typeof eventBytes>[3]) => {
        const data = eventBytes(session, producer, ++number, payload);
        return { subject, sequence: ++sequence, data };
      };
      const messages = [message(queued('x'))];
      for (const one of steps) {
        if (one === 'started') messages.push(message({ case: 'commandStarted', value: {} }));
        else if ('lost' in one) {
          const range = { fromPosition: BigInt(has.position), toPosition: BigInt(has.position + one.lost) };
          messages.push(message({ case: 'gap', value: { producer, ...range, reason: 'output_limit' } }));
          has.position += one.lost;
          // Whose it was is told by the output behind it; until then it counts as stdout's.
          has.stdoutOffset += one.lost;
        } else {
          const stream = one.stream as 'stdout' | 'stderr';
          messages.push(message(output(stream, has[`${stream}Offset`], has.position, Buffer.alloc(one.bytes))));
          has[`${stream}Offset`] += one.bytes;
          has.position += one.bytes;
        }
      }
      if (ends) messages.push(message(ended(0, has.stdoutOffset, has.stderrOffset)));
      for (const part of [messages.slice(0, cut), messages.slice(cut)])
        if (part.length > 0) await storeAll(sink, part, 1);
      const mark = await readProducerMark(clickhouse, session.organizationId, session.sessionId, producer);
      const isLostBeforeStarted =
        steps.at(-1) === 'started' && steps.some((one) => typeof one === 'object' && 'lost' in one);
      expect(mark).toMatchObject({ number, cursor: { epoch: 1, sequence }, ended: ends });
      // A gap before an event that does not say where it stands is known no more.
      if (!ends && isLostBeforeStarted) return;
      expect(mark).toMatchObject(has);
    }),
    { numRuns: 60 },
  );
  const { organizationId, sessionId } = newSession();
  const nothing = { number: 0, stdoutOffset: 0, stderrOffset: 0, position: 0, ended: false };
  expect(await readProducerMark(clickhouse, organizationId, sessionId, 'session')).toMatchObject(nothing);
});

describe('of a session with a million events of 10,000 commands', () => {
  const [organizationId, sessionId] = [newId('organization'), newId('session')];
  const parts = 4;
  const count = 1_000_000;
  const commands = ['first', 'middle', 'last', 'long'];
  const producerOf = { first: 0, middle: 5_000, last: 9_999 };

  beforeAll(async () => {
    await clickhouse.command('SYSTEM STOP MERGES events_v1');
    const rows = count / parts;
    for (let part = 0; part < parts; part++) {
      // Each command has its 50 events in a row; every other event is of one that prints all the time.
      await clickhouse.command(
        `INSERT INTO events_v1 (organization_id, session_id, epoch, sequence, producer, number, type, stream, \`offset\`, position, size, message, ingested_at)
         SELECT '${organizationId}', '${sessionId}', 1, n, if(n % 2 = 0, 'long', concat('command-', toString(intDiv(n, 100)))),
           if(n % 2 = 0, intDiv(n, 2), intDiv(n % 100, 2)) + 1, if(isOutput, 'command.output', 'command.started'),
           if(isOutput, 'stdout', ''), if(isOutput, 5 * n, 0), if(isOutput, 5 * n, 0), if(isOutput, 10, 0), '', '2026-11-01 00:00:00'
         FROM (SELECT number + ${part * rows} AS n, n % 2 = 0 OR (n % 100 >= 5 AND n > 500) AS isOutput FROM numbers(${rows}))
         SETTINGS max_insert_threads = 1, max_block_size = ${rows}, min_insert_block_size_rows = ${rows}`,
      );
    }
  });

  test.each(commands)('the mark of the %s reads some granules alone', async (name) => {
    const producer = name === 'long' ? name : `command-${producerOf[name as keyof typeof producerOf]}`;
    let mark: Awaited<ReturnType<typeof readProducerMark>> | undefined;
    // Its events say nothing themselves, so that the last output is looked for, too; the first has none.
    const rows = await rowsReadBy(clickhouse, async (reader) => {
      mark = await readProducerMark(reader, organizationId, sessionId, producer);
    });
    const last = name === 'long' ? count - 2 : 100 * (producerOf[name as keyof typeof producerOf] + 1) - 1;
    expect(mark).toMatchObject({ number: name === 'long' ? count / 2 : 50, cursor: { sequence: last } });
    expect(mark!.position).toBe(name === 'first' ? 0 : 5 * last + 10);
    // The index is wrong about one granule of a hundred, and each part has 31 of them.
    expect(rows).toBeLessThanOrEqual(parts * 8 * 8_192);
  });

  test('what is asked of it for a batch with a new command reads some granules alone, however many producers it has', async () => {
    const event = (producer: string) =>
      ({
        producerKey: `${organizationId}.${sessionId}.${producer}`,
        sessionKey: `${organizationId}.${sessionId}`,
      }) as ParsedEvent;
    let reader: ClickHouseReader = clickhouse;
    const asked = { rows: (sql: string) => reader.rows(sql) } as Pick<ClickHouseReader, 'rows'>;
    const marks = createProducerMarks(asked, 8_000);
    await marks.load([event('command-77')]);
    const batch = [event('command-5000'), event('a-new-one')];
    const rows = await rowsReadBy(clickhouse, async (counting) => {
      reader = counting;
      expect([...(await marks.load(batch))]).toEqual([[batch[0]!.producerKey, 50]]);
    });
    expect(rows).toBeLessThanOrEqual(parts * 8 * 8_192);
  });
});
