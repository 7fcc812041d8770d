// One partition's sink on a real ClickHouse directory: what happens when the answer of an insert is lost, and with two partitions.

import { create } from '@bufbuild/protobuf';
import { newId } from '@worktrail/contract/ids';
import { limits } from '@worktrail/contract/limits';
import { CommandOutputSchema, Stream } from '@worktrail/proto/event';
import { JournalRangeSchema } from '@worktrail/proto/runner';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { readOutput } from '../history/command-output.ts';
import { createEventSink } from './event-sink.ts';
import { ownStore } from './ingest-lease.ts';
import type { JournalReader, JournalSource } from './journal-source.ts';
import { readHistory } from '../history/history.ts';
import { storedEvent } from './event-row.ts';
import type { StreamMessage } from './stream-message.ts';
import { applySchema } from '../clickhouse/schema.ts';
import {
  ended,
  eventBytes,
  newSession,
  output,
  queued,
  type TestSession,
  batchOf,
  storeBatch,
  storeAll,
} from '../trace-store-fixture.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('event-sink');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(clickhouse);
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const now = () => new Date();
const noJournal = { open: () => ({ read: async () => undefined }) };
const noLetters = { newestOf: async () => undefined };
const openSink = (inner: ClickHouse, partition: number, journals: JournalSource = noJournal) =>
  createEventSink({ clickhouse: inner, journals, deadLetters: noLetters, partition, right: ownStore, now });
const epoch = 1_790_000_000_000;

function messages(session: TestSession, count: number) {
  const subject = `worktrail.events.${session.partition}.${session.organizationId}.${session.sessionId}.session`;
  return Array.from({ length: count }, (_, index) => ({
    subject,
    sequence: index + 1,
    data: eventBytes(session, 'session', index + 1, { case: 'sessionBusy', value: {} }),
  }));
}

async function numbers(session: TestSession): Promise<number[]> {
  const { organizationId, sessionId } = session;
  const start = { epoch: 0, sequence: 0 };
  const page = await readHistory(clickhouse, {
    organizationId,
    sessionId,
    after: start,
    stored: start,
    types: [],
    rowsMax: 100,
    bytesMax: 1_000_000,
  });
  expect(page.complete).toBe(true);
  return page.events.map(({ message }) => Number(storedEvent(message).number));
}

test('a batch whose answer was lost is written again and stored once', async () => {
  const session = newSession();
  const sink = openSink(losingAnswers(clickhouse, 2), 0);
  const batch = await batchOf(sink, messages(session, 5), epoch);
  await expect(storeBatch(batch)).rejects.toThrow('the answer was lost');
  await expect(storeBatch(batch)).rejects.toThrow('the answer was lost');
  expect((await storeBatch(batch)).rows).toBe(5);
  expect(await numbers(session)).toEqual([1, 2, 3, 4, 5]);
  const [row] = await clickhouse.rows<{ rows: string }>(
    `SELECT count() AS rows FROM events_v1 WHERE session_id = {session:String}`,
    { session: session.sessionId },
  );
  expect(Number(row!.rows)).toBe(5);
});

test('after an interruption what had been stored unnoticed is known', async () => {
  const session = newSession();
  const sink = openSink(losingAnswers(clickhouse, 1), 0);
  await expect(storeAll(sink, messages(session, 5), epoch)).rejects.toThrow('the answer was lost');
  expect(await sink.storedPosition()).toMatchObject({ epoch });
  const again = await storeAll(sink, messages(session, 7).slice(3), epoch);
  expect(again).toMatchObject({ rows: 2, duplicates: 2, holes: [] });
  expect(await numbers(session)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('text that reads like a hint to ClickHouse is a text like any other, wherever it stands', async () => {
  const session = newSession();
  const texts = ['-- {retry}', '-- { serverError 42 }', '/* { retry x } */', '# {echo}', `it's "-- {retry}\\\\`, '}{'];
  const subject = (producer: string) =>
    `worktrail.events.${session.partition}.${session.organizationId}.${session.sessionId}.${producer}`;
  const batch = texts.flatMap((text, index) => {
    const commandId = newId('command');
    const said = { case: 'messageUser' as const, value: { messageId: newId('turn'), text } };
    const run = { case: 'commandQueued' as const, value: { command: text, cwd: text } };
    return [
      { subject: subject('session'), sequence: 2 * index + 1, data: eventBytes(session, 'session', index + 1, said) },
      { subject: subject(commandId), sequence: 2 * index + 2, data: eventBytes(session, commandId, 1, run) },
    ];
  });
  expect((await storeAll(openSink(clickhouse, session.partition), batch, epoch)).rows).toBe(batch.length);
  const rows = await clickhouse.rows<{ command: string; cwd: string }>(
    'SELECT command, cwd FROM commands_v1 FINAL WHERE session_id = {session:String} ORDER BY command_id',
    { session: session.sessionId },
  );
  expect(rows.map(({ command }) => command).toSorted()).toEqual(texts.toSorted());
});

test('every event has the task and trial of its session, told in this batch or one before, also after a restart', async () => {
  const [session, other] = [newSession(), newSession()];
  const { organizationId, sessionId } = session;
  const value = { taskId: 'tsk_1', trialId: 'trl_1' };
  const data = eventBytes(session, 'session', 1, { case: 'sessionCreated', value });
  const [first, second, third] = messages(session, 3);
  const sink = openSink(clickhouse, 0);
  await storeAll(sink, [{ ...first!, data }, second!, ...messages(other, 1)], epoch);
  await storeAll(openSink(clickhouse, 0), [third!], epoch);
  const rows = await clickhouse.rows(
    'SELECT toUInt32(number) AS number, task_id, trial_id FROM events_v1 WHERE organization_id IN {o:Array(String)} ORDER BY session_id, number',
    { o: [organizationId, other.organizationId] },
  );
  const told = (number: number, task_id: string, trial_id: string) => ({ number, task_id, trial_id });
  const own = [1, 2, 3].map((number) => told(number, 'tsk_1', 'trl_1'));
  expect(rows).toEqual(sessionId < other.sessionId ? [...own, told(1, '', '')] : [told(1, '', ''), ...own]);
});

test('each partition has a position of its own', async () => {
  const sink = openSink(clickhouse, 7);
  expect(await sink.storedPosition()).toBeUndefined();
  await storeAll(sink, messages({ ...newSession(), partition: 7 }, 3), epoch + 1);
  expect(await sink.storedPosition()).toEqual({ epoch: epoch + 1, sequence: 3 });
  expect((await openSink(clickhouse, 0).storedPosition())?.epoch).toBe(epoch);
});

test('the schema is applied once, and a changed file is refused', async () => {
  await applySchema(clickhouse);
  const rows = await clickhouse.rows<{ name: string }>('SELECT name FROM schema_migrations_v1 ORDER BY name');
  expect(rows.map(({ name }) => name)).toEqual([...new Set(rows.map(({ name }) => name))]);
  await clickhouse.command(
    `ALTER TABLE schema_migrations_v1 UPDATE sha256 = 'other' WHERE name LIKE '0001-%' SETTINGS mutations_sync = 1`,
  );
  await expect(applySchema(clickhouse)).rejects.toThrow(/0001-events.sql was applied with another content/);
});

const chunkBytes = limits.outputEventBytesMax;
const chunks = 400;

/** Events 1, 2 and the end of a command whose output (numbers 3 to `chunks` + 2, more than one block) was lost. */
function commandWithHole(session: TestSession, commandId: string): StreamMessage[] {
  const subject = `worktrail.events.0.${session.organizationId}.${session.sessionId}.${commandId}`;
  const total = chunks * chunkBytes;
  const payloads = [
    [1, queued('yes')],
    [2, { case: 'commandStarted', value: {} }],
    [chunks + 3, ended(0, total, 0)],
  ] as const;
  return payloads.map(([number, payload], index) => ({
    subject,
    sequence: index + 1,
    data: eventBytes(session, commandId, number, payload),
  }));
}

/** Holds one letter for each lost event, until it is gone. */
function letters(isGone: () => boolean = () => false): JournalSource {
  const answerChunks = 2;
  const read: JournalReader['read'] = async ({ fromPosition, toPosition }) => {
    if (isGone()) return undefined;
    const first = Math.floor(fromPosition / chunkBytes);
    const last = Math.min(first + answerChunks, Math.ceil(toPosition / chunkBytes));
    const pieces = Array.from({ length: last - first }, (_, i) => first + i).map((index) => {
      const bytes = Buffer.alloc(chunkBytes, 97 + (index % 26));
      return create(CommandOutputSchema, output('stdout', index * chunkBytes, index * chunkBytes, bytes).value);
    });
    return create(JournalRangeSchema, { output: pieces });
  };
  return { open: () => ({ read }) };
}

async function outputRows(session: TestSession) {
  return clickhouse.rows<{ number: string; type: string; letter: string; size: number }>(
    `SELECT number, type, o.letter AS letter, size FROM events_v1 AS e
     LEFT JOIN (
       SELECT command_id AS producer, position, size, epoch, sequence, fill, substring(body, 1, 1) AS letter FROM command_output_v1
       WHERE session_id = {session:String}
     ) AS o USING (producer, position, size, epoch, sequence, fill)
     WHERE session_id = {session:String} ORDER BY epoch, sequence, fill`,
    { session: session.sessionId },
  );
}

const letterOf = (number: number) => String.fromCharCode(97 + ((number - 3) % 26));

test('a kill between two blocks of a hole that is being filled leaves nothing out and nothing twice', async () => {
  for (const isStored of [false, true]) {
    const session = newSession();
    const batch = commandWithHole(session, newId('command'));
    const own = epoch + (isStored ? 20 : 10);
    const first = openSink(failingAt(clickhouse, isStored ? 1 : 2, isStored), 3, letters());
    await first.storedPosition();
    await expect(storeAll(first, batch, own)).rejects.toThrow('killed');
    const second = openSink(clickhouse, 3, letters());
    const position = (await second.storedPosition())!;
    expect(position).toEqual({ epoch: own, sequence: 2 });
    await storeAll(second, batch.slice(position.sequence), own);
    const rows = await outputRows(session);
    expect(rows.map(({ number }) => Number(number))).toEqual(Array.from({ length: chunks + 3 }, (_, i) => i + 1));
    const made = rows.filter(({ type }) => type === 'command.output');
    expect(made.every(({ number, letter, size }) => letter === letterOf(Number(number)) && size === chunkBytes)).toBe(
      true,
    );
  }
});

test('a hole is filled from where the batch before it ends, which is committed only while the hole is found', async () => {
  const session = newSession();
  const [beginning, started, end] = commandWithHole(session, newId('command'));
  const sink = openSink(clickhouse, 3, letters());
  const own = epoch + 35;
  const first = await batchOf(sink, [beginning!, started!], own);
  await first.stage(Promise.resolve());
  const second = await batchOf(sink, [started!, end!], own);
  const committed = Promise.withResolvers<void>();
  const staged = second.stage(committed.promise);
  expect(await first.commit()).toMatchObject({ rows: 2, duplicates: 0 });
  committed.resolve();
  await staged;
  expect(await second.commit()).toMatchObject({ duplicates: 1, holes: [{ backfilled: chunks, missing: 0 }] });
  const rows = await outputRows(session);
  expect(rows.map(({ number }) => Number(number))).toEqual(Array.from({ length: chunks + 3 }, (_, i) => i + 1));
});

test('a batch that is begun again, because a journal was not to be read, takes nothing from what the one after it has told', async () => {
  const session = newSession();
  const hole = commandWithHole(session, newId('command'));
  const [busy, again] = messages({ ...session, partition: 3 }, 2).map((each, index) => ({
    ...each,
    sequence: 4 + index,
  }));
  let isAway = false;
  const journal = letters().open();
  const read: JournalReader['read'] = async (question) => {
    if (isAway) throw new Error('NATS is away');
    return await journal.read(question);
  };
  const sink = openSink(clickhouse, 3, { open: () => ({ read }) });
  const own = epoch + 37;
  const first = await batchOf(sink, hole, own);
  await first.stage(Promise.resolve());
  const second = await batchOf(sink, [busy!], own);
  await second.stage(Promise.resolve());
  isAway = true;
  await expect(first.commit()).rejects.toThrow('NATS is away');
  isAway = false;
  await first.commit();
  const third = await batchOf(sink, [again!], own);
  const committed = Promise.withResolvers<void>();
  const staged = third.stage(committed.promise);
  await second.commit();
  committed.resolve();
  await staged;
  expect(await third.commit()).toMatchObject({ rows: 1, holes: [] });
});

test('where the journal is gone after a kill, the gap begins behind what was filled before it', async () => {
  const session = newSession();
  const commandId = newId('command');
  const batch = commandWithHole(session, commandId);
  const own = epoch + 30;
  await expect(
    openStarted(failingAt(clickhouse, 2, false), letters()).then((sink) => storeAll(sink, batch, own)),
  ).rejects.toThrow('killed');
  const sink = await openStarted(
    clickhouse,
    letters(() => true),
  );
  const result = await storeAll(sink, batch.slice(2), own);
  expect(result.holes).toMatchObject([{ backfilled: 0, toNumber: chunks + 2 }]);
  const rows = await outputRows(session);
  const filled = rows.filter(({ type }) => type === 'command.output').length;
  expect(filled).toBeGreaterThan(0);
  expect(filled).toBeLessThan(chunks);
  expect(rows.map(({ type }) => type).slice(-2)).toEqual(['gap', 'command.ended']);
  expect(rows).toHaveLength(filled + 4);
  const { organizationId, sessionId } = session;
  const start = { epoch: own, sequence: 2 };
  const bounds = { stored: start, rowsMax: 1000, bytesMax: 64_000_000, types: ['gap' as const] };
  const page = await readHistory(clickhouse, { organizationId, sessionId, after: start, ...bounds });
  expect(page.events.map(({ message, body }) => storedEvent(message, body).payload.value)).toMatchObject([
    { fromNumber: BigInt(filled + 3), toNumber: BigInt(chunks + 2), fromPosition: BigInt(filled * chunkBytes) },
  ]);
});

test('what fills a hole is written again as it was when the answer was lost, although the journal is gone by then', async () => {
  const session = newSession();
  let isGone = false;
  const sink = openSink(
    losingAnswers(clickhouse, 1),
    3,
    letters(() => isGone),
  );
  await sink.storedPosition();
  const batch = await batchOf(sink, commandWithHole(session, newId('command')), epoch + 40);
  await expect(storeBatch(batch)).rejects.toThrow('the answer was lost');
  isGone = true;
  await storeBatch(batch);
  const rows = await outputRows(session);
  const numbers = rows.map(({ number, type }) => (type === 'gap' ? 'gap' : Number(number)));
  const gap = numbers.indexOf('gap');
  expect(gap).toBeGreaterThan(2);
  expect(numbers.slice(0, gap)).toEqual(Array.from({ length: gap }, (_, i) => i + 1));
  expect(numbers.slice(gap)).toEqual(['gap', chunks + 3]);
});

test('output that a kill left without its events is there once, however the batches after it are cut', async () => {
  const session = newSession();
  const [partition, own] = [4, epoch + 50];
  const commandId = newId('command');
  const subject = `worktrail.events.${partition}.${session.organizationId}.${session.sessionId}.${commandId}`;
  const lines = Array.from({ length: 9 }, (_, index) => Buffer.from(`line ${index}\n`));
  const batch = lines.map((line, index) => ({
    subject,
    sequence: index + 1,
    data: eventBytes(session, commandId, index + 1, output('stdout', 7 * index, 7 * index, line)),
  }));
  const cuts = [
    { from: 0, to: 4, fails: true },
    { from: 0, to: 6, fails: true },
    { from: 0, to: 2, fails: false },
    { from: 2, to: 5, fails: true },
    { from: 2, to: 9, fails: false },
  ];
  for (const { from, to, fails } of cuts) {
    const sink = openSink(fails ? failingAt(clickhouse, 1, false) : clickhouse, partition);
    expect((await sink.storedPosition())?.sequence ?? 0).toBe(from);
    const stored = storeAll(sink, batch.slice(from, to), own);
    if (fails) await expect(stored).rejects.toThrow('killed');
    else await stored;
  }
  const rows = await clickhouse.rows(
    `SELECT toUInt32(position) AS position, body FROM command_output_v1 WHERE session_id = {session:String} ORDER BY position`,
    { session: session.sessionId },
  );
  expect(rows).toEqual(lines.map((line, index) => ({ position: 7 * index, body: line.toString() })));
  const { organizationId, sessionId } = session;
  const question = { organizationId, sessionId, commandId, stream: Stream.STDOUT, offset: 3, limit: 1_000 };
  const read = await readOutput(clickhouse, question);
  expect(Buffer.from(read.bytes).toString()).toBe(Buffer.concat(lines).subarray(3).toString());
  expect(await bodies(session)).toEqual(lines.map(String));
});

test('of much output one half may be there without the other: each line is there once all the same', async () => {
  const session = newSession();
  const [partition, own] = [5, epoch + 60];
  const commandId = newId('command');
  const subject = `worktrail.events.${partition}.${session.organizationId}.${session.sessionId}.${commandId}`;
  const batch = Array.from({ length: 3_000 }, (_, index) => {
    const line = output('stdout', 5 * index, 5 * index, Buffer.from(`${String(index).padStart(4)}\n`));
    return { subject, sequence: index + 1, data: eventBytes(session, commandId, index + 1, line) };
  });
  const count = async () => {
    const [row] = await clickhouse.rows<{ rows: number; places: number }>(
      `SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(position)) AS places FROM command_output_v1
       WHERE session_id = {session:String}`,
      { session: session.sessionId },
    );
    return row;
  };
  const killed = openSink(failingAt(clickhouse, 2, false, 'command_output_v1'), partition);
  await expect(storeAll(killed, batch, own)).rejects.toThrow('killed');
  expect(await count()).toEqual({ rows: 1_500, places: 1_500 });
  const sink = openSink(clickhouse, partition);
  await sink.storedPosition();
  for (const [from, to] of [
    [0, 2_600],
    [2_600, 3_000],
  ])
    await storeAll(sink, batch.slice(from, to), own);
  expect(await count()).toEqual({ rows: 3_000, places: 3_000 });
});

async function bodies({ organizationId, sessionId }: TestSession): Promise<string[]> {
  const start = { epoch: 0, sequence: 0 };
  const bounds = { stored: start, types: [], rowsMax: 100, bytesMax: 1_000_000 };
  const page = await readHistory(clickhouse, { organizationId, sessionId, after: start, ...bounds });
  return page.events.map(({ body = Buffer.alloc(0) }) => Buffer.from(body).toString());
}

async function openStarted(inner: ClickHouse, journals: JournalSource) {
  const sink = openSink(inner, 3, journals);
  await sink.storedPosition();
  return sink;
}

/** The same ClickHouse, up to one insert into a table: as where the process is killed before, or right after it. */
function failingAt(inner: ClickHouse, insertion: number, isStored: boolean, at = 'events_v1'): ClickHouse {
  let left = insertion;
  return {
    ...inner,
    insertBinary: async (table, rows, token) => {
      const isLast = table === at && --left === 0;
      if (!isLast || isStored) await inner.insertBinary(table, rows, token);
      if (isLast) throw new Error('killed');
    },
  };
}

/** The same ClickHouse, whose first answers to inserts of events never arrive. */
function losingAnswers(inner: ClickHouse, losses: number): ClickHouse {
  let left = losses;
  return {
    ...inner,
    insertBinary: async (table, rows, token) => {
      await inner.insertBinary(table, rows, token);
      if (table === 'events_v1' && left-- > 0) throw new Error('the answer was lost');
    },
  };
}
