import { create } from '@bufbuild/protobuf';
import { EventSchema } from '@worktrail/proto/event';
import { expect, test } from 'vitest';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { ParsedEvent } from './parse-event.ts';
import { producerKey, sessionKey } from './event-keys.ts';
import { createProducerMarks } from './producer-marks.ts';

function parsed(sessionId: string, producer: string, number: number): ParsedEvent {
  const event = create(EventSchema, { organizationId: 'org', sessionId, producer, number: BigInt(number) });
  const keys = { producerKey: producerKey(event), sessionKey: sessionKey(event) };
  return { ...keys, sequence: 1, event, number, time: new Date(0), data: new Uint8Array(0) } as unknown as ParsedEvent;
}

/** Answers with what it is told is stored, and counts the questions. */
function reader(
  stored: { s: string; p: string; highest: number }[],
): Pick<ClickHouseReader, 'rows'> & { questions: number } {
  const answering = {
    questions: 0,
    rows: async <Row>(sql: string) => {
      answering.questions++;
      return stored.filter(({ s }) => sql.includes(`'${s}'`)).map((row) => ({ o: 'org', ...row })) as Row[];
    },
  };
  return answering;
}

test('a session is looked up once; a new producer of it needs no look-up', async () => {
  const clickhouse = reader([{ s: 'a', p: 'x', highest: 7 }]);
  const marks = createProducerMarks(clickhouse);
  expect([...(await marks.load([parsed('a', 'x', 8), parsed('a', 'y', 1)]))]).toEqual([['org.a.x', 7]]);
  marks.advance(
    [parsed('a', 'x', 8), parsed('a', 'y', 1)],
    new Map([
      ['org.a.x', 8],
      ['org.a.y', 1],
    ]),
  );
  const later = await marks.load([parsed('a', 'x', 9), parsed('a', 'y', 2), parsed('a', 'z', 1)]);
  expect([...later]).toEqual([
    ['org.a.x', 8],
    ['org.a.y', 1],
  ]);
  expect(clickhouse.questions).toBe(1);
});

test('what was forgotten for space is looked up again', async () => {
  const clickhouse = reader([{ s: 'a', p: 'x', highest: 3 }]);
  const marks = createProducerMarks(clickhouse, 1);
  await marks.load([parsed('a', 'x', 4)]);
  await marks.load([parsed('b', 'x', 1)]);
  marks.advance([parsed('b', 'x', 1)], new Map([['org.b.x', 1]]));
  expect((await marks.load([parsed('a', 'x', 4)])).get('org.a.x')).toBe(3);
  expect(clickhouse.questions).toBe(3);
});
