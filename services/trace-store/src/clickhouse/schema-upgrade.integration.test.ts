// A store of schema 0006 with events in it, brought up to date: what was stored is read as before, where it is now.

import { newId } from '@worktrail/contract/ids';
import { eventSubject } from '@worktrail/contract/subjects';
import { Stream } from '@worktrail/proto/event';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type ClickHouse, openClickHouse } from './store.ts';
import { openEmbedded } from './embedded.ts';
import { openRowFiles } from './row-files.ts';
import { readOutput } from '../history/command-output.ts';
import { eventColumns, outputColumns, storedEvent } from '../ingest/event-row.ts';
import { createEventSink } from '../ingest/event-sink.ts';
import { readHistory } from '../history/history.ts';
import { ownStore } from '../ingest/ingest-lease.ts';
import type { StreamMessage } from '../ingest/stream-message.ts';
import { applySchema, schemaFiles } from './schema.ts';
import { binaryRows } from './row-binary.ts';
import { noTask } from '../ingest/sources.ts';
import { ended, eventBytes, newSession, output, queued, storedRow, storeAll } from '../trace-store-fixture.ts';
import { typedColumns } from '../ingest/typed-columns.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('schema-upgrade');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(
    clickhouse,
    (await schemaFiles()).filter((name) => name < '0007'),
  );
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const epoch = 1_790_000_000_000;
const session = newSession();
const commandId = newId('command');
const lineCount = 3_000;
const lineBytes = 512;
const line = (index: number) => Buffer.alloc(lineBytes, `${index} \xff\0\t{\\`, 'latin1');
const subject = eventSubject(session, commandId);

function message(number: number, payload: Parameters<typeof eventBytes>[3]): StreamMessage {
  return { subject, sequence: number, data: eventBytes(session, commandId, number, payload) };
}

function outputMessage(index: number): StreamMessage {
  return message(index + 3, output('stdout', index * lineBytes, index * lineBytes, line(index)));
}

async function insertOfBefore(messages: readonly StreamMessage[]): Promise<void> {
  const ingestedAt = new Date();
  const origin = { partition: 0, epoch, ingestedAt };
  const rows = messages.map((message) => ({ ...storedRow(message, noTask, ingestedAt), origin }));
  const added = [...typedColumns, 'task_id', 'trial_id'];
  const body = outputColumns.find(({ name }) => name === 'body')!;
  const columns = [...eventColumns.filter(({ name }) => !added.includes(name)), body];
  await clickhouse.insertBinary('events_v1', binaryRows(columns, rows, 1_000), `${messages[0]!.sequence}`);
}

async function bodies(): Promise<(Buffer | undefined)[]> {
  const { organizationId, sessionId } = session;
  const start = { epoch: 0, sequence: 0 };
  const bounds = { stored: start, types: [], rowsMax: 10_000, bytesMax: 64_000_000 };
  const page = await readHistory(clickhouse, { organizationId, sessionId, after: start, ...bounds });
  return page.events.map(({ message, body }) => {
    const { payload } = storedEvent(message, body);
    return payload.case === 'commandOutput' ? Buffer.from(payload.value.bytes) : undefined;
  });
}

async function outputRows(): Promise<unknown> {
  return clickhouse.rows(
    'SELECT toUInt32(count()) AS rows, toUInt32(sum(length(body))) AS bytes FROM command_output_v1',
  );
}

test('output of before is where output is now, also where an upgrade was cut short, and goes on', async () => {
  const lines = Array.from({ length: lineCount }, (_, index) => line(index));
  const messages = [
    message(1, queued('yes')),
    message(2, { case: 'commandStarted', value: {} }),
    ...lines.map((_, index) => outputMessage(index)),
  ];
  await insertOfBefore(messages.slice(0, 1_500));
  await insertOfBefore(messages.slice(1_500));

  // As where there is much of before: a projection is still being made when it is not wanted any more.
  await clickhouse.command('SYSTEM STOP MERGES events_v1');
  const files = await schemaFiles();
  await applySchema(
    clickhouse,
    files.filter((name) => name < '0012'),
  );
  const applied = applySchema(clickhouse);
  const dropping = `SELECT 1 FROM system.mutations WHERE table = 'events_v1' AND command LIKE '%DROP PROJECTION%'`;
  const isDropping = vi.waitFor(async () => expect(await clickhouse.rows(dropping)).toHaveLength(1), 30_000);
  await Promise.race([applied, isDropping]);
  // Commands run one at a time.
  const other = openEmbedded(`${scratch.path}/clickhouse`, await openRowFiles(`${scratch.path}/rows`));
  await other.client.command({ query: 'SYSTEM START MERGES events_v1' });
  await other.close();
  await applied;
  const copied = [{ rows: lineCount, bytes: lineCount * lineBytes }];
  expect(await outputRows()).toEqual(copied);
  for (const file of ['0008', '0017', '0018']) {
    await clickhouse.command(`DELETE FROM schema_migrations_v1 WHERE name LIKE '${file}-%'`);
    await applySchema(clickhouse);
    expect(await outputRows()).toEqual(copied);
  }
  expect(await bodies()).toEqual([undefined, undefined, ...lines]);

  const deadLetters = { newestOf: async () => undefined };
  const journals = { open: () => ({ read: async () => undefined }) };
  const deps = { clickhouse, journals, deadLetters, right: ownStore, now: () => new Date() };
  const sink = createEventSink({ ...deps, partition: 0 });
  expect(await sink.storedPosition()).toEqual({ epoch, sequence: lineCount + 2 });
  const end = message(lineCount + 4, ended(0, (lineCount + 1) * lineBytes, 0));
  await storeAll(sink, [messages.at(-1)!, outputMessage(lineCount), end], epoch);
  expect(await bodies()).toEqual([undefined, undefined, ...lines, line(lineCount), undefined]);

  const { organizationId, sessionId } = session;
  const offset = (lineCount - 1) * lineBytes;
  const question = { organizationId, sessionId, commandId, stream: Stream.STDOUT, offset, limit: 64_000 };
  const read = await readOutput(clickhouse, question);
  expect(read).toMatchObject({ complete: true, gaps: [] });
  expect(Buffer.from(read.bytes)).toEqual(Buffer.concat([line(lineCount - 1), line(lineCount)]));
});
