// One partition's events into ClickHouse.
//
// 1. Blocks of events_v1 are the commit: they hold the position that a restart goes on from. Output and summaries are written before
//    each, so a kill in between leaves nothing out. Summaries are idempotent; output that a kill left without its events is known
//    from the start and not written again.
// 2. A block that is written again, because the answer was lost, is stored once: it goes under the same token.
// 3. What fills a hole is decided once and written again as it was, also when the answer of an insert was lost: where it was written
//    before a kill, the mark says so.

import { createHash } from 'node:crypto';
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Cursor } from '@worktrail/contract/cursor';
import { eventSubject } from '@worktrail/contract/subjects';
import type { CommandOutput } from '@worktrail/proto/event';
import type { ClickHouse } from '../clickhouse/store.ts';
import type { DeadLetters } from './dead-letters.ts';
import { type Block, eventBlocks } from './event-blocks.ts';
import { type BatchOrigin, eventColumns, eventRow, outputColumns, streamName } from './event-row.ts';
import { positionAfter } from './fill-events.ts';
import { fillHole, type GapReason } from './fill-hole.ts';
import type { Sink, StoreResult } from './ingest.ts';
import { createFence, type StoringRight } from './ingest-lease.ts';
import type { JournalReader, JournalSource } from './journal-source.ts';
import { heldEvent, type ParsedEvent, parseEvent, type StreamMessage } from './parse-event.ts';
import { type Hole, planBatch } from './plan-batch.ts';
import { readProducerMark } from './producer-mark.ts';
import { createProducerMarks } from './producer-marks.ts';
import { columnNames, createRowBuffer } from '../clickhouse/row-binary.ts';
import { createSessionTasks, noTask, type SessionTask } from './session-tasks.ts';
import { Sql, sql } from '../clickhouse/sql-text.ts';
import {
  commandColumns,
  commandRow,
  type SummaryRow,
  sessionColumns,
  sessionListColumns,
  sessionListRows,
  sessionRow,
  turnColumns,
  turnRow,
} from './summary-rows.ts';
import type { StoredEvents } from './stored-events.ts';

/** Of an event, beside its message. */
const rowBytes = 512;
const dayMs = 86_400_000;
/** Questions are answered between so many. */
const eventsAtOnce = 256;

export interface EventSinkDeps {
  clickhouse: ClickHouse;
  journals: JournalSource;
  deadLetters: Pick<DeadLetters, 'newestOf'>;
  partition: number;
  right: StoringRight;
  now: () => Date;
  /** Where nobody counts, nobody is told. */
  totals?: StoredEvents;
}

/** Where an event's row is in the rows of its batch, of an output with bytes that of the bytes too, and what it adds to the summaries. */
interface Place {
  event: Range;
  output: Range | undefined;
  command: SummaryRow | undefined;
  session: SummaryRow | undefined;
  turn: SummaryRow | undefined;
  lists: readonly SummaryRow[];
}

interface Range {
  start: number;
  end: number;
}

/** What needs no other batch to be stored before it. */
interface Prepared extends EncodedRows {
  events: readonly ParsedEvent[];
  unstorable: StoreResult['unstorable'];
}

interface EncodedRows {
  places: ReadonlyMap<ParsedEvent, Place>;
  eventRows: Buffer;
  outputRows: Buffer;
}

/** A batch on its way: what of it is to be written next, and what was counted so far. */
interface Storing {
  messages: readonly StreamMessage[];
  prepared: Prepared;
  origin: BatchOrigin;
  blocks: AsyncGenerator<Block, void, void>;
  next: Block | undefined;
  result: StoreResult;
}

export function createEventSink(deps: EventSinkDeps): Sink {
  const { clickhouse, partition } = deps;
  const fence = createFence(deps.right);
  let producerMarks = createProducerMarks(clickhouse);
  const sessionTasks = createSessionTasks(clickhouse);
  let written: OutputBeyond = { keys: new Set(), last: 0 };
  let storing: Storing | undefined;
  const preparing = new WeakMap<readonly StreamMessage[], Promise<Prepared>>();

  function prepare(messages: readonly StreamMessage[], origin: BatchOrigin): Promise<Prepared> {
    const known = preparing.get(messages);
    if (known) return known;
    const prepared = prepareAll(messages, origin);
    preparing.set(messages, prepared);
    prepared.catch(() => preparing.delete(messages));
    return prepared;
  }

  /** Whatever fails of one event here fails the same way next time: its message is named and must not hold up the others. */
  async function prepareAll(messages: readonly StreamMessage[], origin: BatchOrigin): Promise<Prepared> {
    const events: ParsedEvent[] = [];
    const unstorable: { message: StreamMessage; reason: string }[] = [];
    const encoder = createEncoder(origin, bytesOf(messages));
    for (let start = 0; start < messages.length; start += eventsAtOnce) {
      const parsed: { message: StreamMessage; event: ParsedEvent }[] = [];
      for (const message of messages.slice(start, start + eventsAtOnce)) {
        try {
          parsed.push({ message, event: parseEvent(message) });
        } catch (error) {
          unstorable.push({ message, reason: (error as Error).message });
        }
      }
      const tasks = await sessionTasks.load(parsed.map(({ event }) => event));
      for (const { message, event } of parsed) {
        try {
          const held = heldEvent(event);
          encoder.add(held, event, tasks.get(event.sessionKey) ?? noTask);
          events.push(held);
        } catch (error) {
          unstorable.push({ message, reason: (error as Error).message });
        }
      }
      await othersTurn();
    }
    unstorable.sort((a, b) => a.message.sequence - b.message.sequence);
    return { events, unstorable, ...encoder.encoded() };
  }

  async function begin(messages: readonly StreamMessage[], epoch: number): Promise<Storing> {
    const origin = { partition, epoch, ingestedAt: deps.now() };
    const prepared = await prepare(messages, origin);
    const { events, unstorable } = prepared;
    const marks = await producerMarks.load(events);
    const plan = planBatch(events, (key) => marks.get(key) ?? 0);
    const journal = deps.journals.open();
    const blocks = eventBlocks(plan.store, plan.holes, (hole) => fill({ ...deps, journal, epoch, unstorable }, hole));
    const result = { rows: 0, duplicates: plan.duplicates, holes: [], unstorable };
    return { messages, prepared, origin, blocks, next: undefined, result };
  }

  async function write({ events }: Block, { prepared, origin }: Storing): Promise<void> {
    const { epoch } = origin;
    const filling = events.filter((event) => !prepared.places.has(event));
    const filled = filling.length > 0 ? await encodeFilling(filling, origin) : undefined;
    const rows = events.map((event): WrittenRow => {
      const place = prepared.places.get(event);
      return place ? { event, place, from: prepared } : { event, place: filled!.places.get(event)!, from: filled! };
    });
    const outputs = rows.filter(({ event, place }) => place.output && !isWritten(event, epoch));
    fence.check();
    await settled([
      insert('command_output_v1', outputColumns, outputs, origin, ({ from, place }) => [
        from.outputRows,
        place.output!,
      ]),
      clickhouse.insert('commands_v1', commandColumns, present(rows.map(({ place }) => place.command))),
      clickhouse.insert('sessions_v1', sessionColumns, present(rows.map(({ place }) => place.session))),
      clickhouse.insert(
        'session_lists_v1',
        sessionListColumns,
        rows.flatMap(({ place }) => place.lists),
      ),
      clickhouse.insert('turns_v1', turnColumns, present(rows.map(({ place }) => place.turn))),
    ]);
    fence.check();
    await insert('events_v1', eventColumns, rows, origin, ({ from, place }) => [from.eventRows, place.event]);
    producerMarks.advance(events, new Map(events.map((parsed) => [parsed.producerKey, parsed.number])));
    deps.totals?.stored(partition, origin.epoch, lastOfEachDay(events));
  }

  function isWritten(event: ParsedEvent, epoch: number): boolean {
    return event.sequence <= written.last && written.keys.has(outputKey(event, epoch));
  }

  async function insert(
    table: string,
    columns: readonly { name: string }[],
    rows: readonly WrittenRow[],
    origin: BatchOrigin,
    bytesOfRow: (row: WrittenRow) => [Buffer, Range],
  ): Promise<void> {
    if (rows.length === 0) return;
    const token = blockToken(rows, origin);
    await clickhouse.insertBinary(table, { columns: columnNames(columns), rows: joined(rows.map(bytesOfRow)) }, token);
  }

  async function encodeFilling(events: readonly ParsedEvent[], origin: BatchOrigin): Promise<EncodedRows> {
    const tasks = await sessionTasks.load(events);
    const encoder = createEncoder(origin, bytesOf(events));
    for (const event of events) encoder.add(event, event, tasks.get(event.sessionKey) ?? noTask);
    return encoder.encoded();
  }

  /** What was found out for a block that could not be made is found out again. */
  async function nextBlock(batch: Storing): Promise<Block | undefined> {
    try {
      const { value } = await batch.blocks.next();
      return value ?? undefined;
    } catch (error) {
      storing = undefined;
      throw error;
    }
  }

  return {
    storedPosition: async () => {
      // What an interrupted insert left behind is known to ClickHouse only.
      producerMarks = createProducerMarks(clickhouse);
      storing = undefined;
      fence.begin();
      const position = await storedPosition(clickhouse, partition);
      deps.totals?.opened(partition, position);
      written = await outputBeyond(clickhouse, partition, position);
      return position;
    },
    prepare: async (messages, epoch) => {
      // What fails fails again when they are stored.
      await prepare(messages, { partition, epoch, ingestedAt: deps.now() }).catch(() => {});
    },
    store: async (messages, epoch) => {
      if (storing?.messages !== messages) storing = await begin(messages, epoch);
      const batch = storing;
      const { result } = batch;
      for (;;) {
        batch.next ??= await nextBlock(batch);
        if (!batch.next) break;
        const { events, holes } = batch.next;
        await write(batch.next, batch);
        batch.next = undefined;
        result.rows += events.length;
        result.holes = [...result.holes, ...holes];
      }
      storing = undefined;
      return result;
    },
  };
}

interface WrittenRow {
  event: ParsedEvent;
  place: Place;
  /** The rows among which it is. */
  from: EncodedRows;
}

function createEncoder(origin: BatchOrigin, bytesExpected: number) {
  const places = new Map<ParsedEvent, Place>();
  const eventRows = createRowBuffer(eventColumns, bytesExpected);
  const outputRows = createRowBuffer(outputColumns, bytesExpected);
  let [eventsEnd, outputsEnd] = [0, 0];
  return {
    /** @throws where it cannot be stored. */
    add: (held: ParsedEvent, parsed: ParsedEvent, task: SessionTask) => {
      const row = { ...eventRow(parsed, origin), task };
      const summaries = {
        command: commandRow(parsed),
        session: sessionRow(parsed, origin.epoch),
        turn: turnRow(parsed),
        lists: sessionListRows(parsed),
      };
      const event = { start: eventsEnd, end: eventRows.add(row) };
      eventsEnd = event.end;
      const hasBytes = row.output && row.output.bytes.length > 0;
      const output = hasBytes ? { start: outputsEnd, end: outputRows.add(row) } : undefined;
      outputsEnd = output?.end ?? outputsEnd;
      places.set(held, { event, output, ...summaries });
    },
    encoded: (): EncodedRows => ({ places, eventRows: eventRows.rows(), outputRows: outputRows.rows() }),
  };
}

/** Rows that follow each other are one piece; where that is all, nothing is copied. */
function joined(rows: readonly (readonly [Buffer, Range])[]): Buffer {
  const pieces: Buffer[] = [];
  let [from, { start, end }] = rows[0]!;
  for (const [nextFrom, next] of rows.slice(1)) {
    if (nextFrom !== from || next.start !== end) {
      pieces.push(from.subarray(start, end));
      [from, start] = [nextFrom, next.start];
    }
    end = next.end;
  }
  pieces.push(from.subarray(start, end));
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** By which events they are, and where: the same ones again are the same block, and other ones never are, whatever became of the stream. */
function blockToken(rows: readonly WrittenRow[], { partition, epoch }: BatchOrigin): string {
  const hash = createHash('sha256');
  for (const { event } of rows) hash.update(`${event.producerKey}.${event.number}.${event.sequence}.${event.fill}\n`);
  return `${partition}-${epoch}-${hash.digest('base64url')}`;
}

/** About what their rows are, in either table. */
function bytesOf(events: readonly { data: Uint8Array }[]): number {
  return events.reduce((sum, { data }) => sum + data.length + rowBytes, 0);
}

/** No write is under way any more where one has failed: what is looked up after that stays so. */
async function settled(writes: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(writes);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Of each session: what is counted by session and day is not told of every event. */
function lastOfEachDay(events: readonly ParsedEvent[]): ParsedEvent[] {
  const found = new Map<string, ParsedEvent>();
  for (const event of events) {
    const key = `${event.sessionKey}.${Math.floor(event.time.getTime() / dayMs)}`;
    found.delete(key);
    found.set(key, event);
  }
  return [...found.values()];
}

function present<Row>(rows: readonly (Row | undefined)[]): Row[] {
  return rows.filter((row) => row !== undefined);
}

interface Filling extends EventSinkDeps {
  journal: JournalReader;
  epoch: number;
  unstorable: StoreResult['unstorable'];
}

async function* fill(filling: Filling, hole: Hole): AsyncGenerator<ParsedEvent, void, void> {
  const { clickhouse, journal, epoch } = filling;
  const { organizationId, sessionId, producer } = hole.before.event;
  const stored = hole.previous ? undefined : await readProducerMark(clickhouse, organizationId, sessionId, producer);
  const place = hole.previous ? { epoch, sequence: hole.previous.sequence } : stored!.cursor;
  const fromPosition = hole.previous ? positionAfter(hole.previous) : stored!.position;
  yield* fillHole(journal, hole, fromPosition, await reasonOf(filling, hole, place));
}

/** A message of this producer that could not be read, between the events before and after the hole, is what is missing. */
async function reasonOf(
  { deadLetters, partition, epoch, unstorable }: Filling,
  hole: Hole,
  previous: Cursor,
): Promise<GapReason> {
  const { organizationId, sessionId, producer } = hole.before.event;
  const subject = eventSubject({ partition, organizationId, sessionId }, producer);
  const after = previous.epoch === epoch ? previous.sequence : 0;
  const isBetween = (sequence: number) => sequence > after && sequence < hole.before.sequence;
  if (unstorable.some(({ message }) => message.subject === subject && isBetween(message.sequence))) return 'unparsable';
  const letter = await deadLetters.newestOf(subject);
  return letter?.epoch === epoch && isBetween(letter.sequence) ? 'unparsable' : 'stream_lost';
}

async function storedPosition(clickhouse: ClickHouse, partition: number): Promise<Cursor | undefined> {
  const [row] = await clickhouse.rows<{ epoch: string; sequence: string }>(
    `SELECT epoch, max(sequence) AS sequence FROM (
       SELECT epoch, sequence FROM events_v1 WHERE partition = {partition:UInt16} AND fill = 0
       UNION ALL SELECT epoch, sequence FROM retained_marks_v1 WHERE partition = {partition:UInt16}
     ) GROUP BY epoch ORDER BY epoch DESC LIMIT 1`,
    { partition },
  );
  return row && { epoch: Number(row.epoch), sequence: Number(row.sequence) };
}

/** Output that is stored without its events. */
interface OutputBeyond {
  keys: ReadonlySet<string>;
  /** The highest sequence of it. */
  last: number;
}

async function outputBeyond(
  clickhouse: ClickHouse,
  partition: number,
  { epoch, sequence }: Cursor = { epoch: 0, sequence: 0 },
): Promise<OutputBeyond> {
  const rows = await clickhouse.rows<{ key: string; last: string }>(
    sql`SELECT ${outputKeySql} AS key, sequence AS last FROM command_output_v1
        WHERE partition = ${partition} AND (epoch > ${epoch} OR (epoch = ${epoch} AND sequence >= ${sequence}))`.text,
  );
  const last = rows.reduce((highest, row) => Math.max(highest, Number(row.last)), 0);
  return { keys: new Set(rows.map(({ key }) => key)), last };
}

/** With all by which one can differ from the other of the same event: a hole is filled by what the journal has at that time. */
function outputKey({ event, payload, sequence, fill }: ParsedEvent, epoch: number): string {
  const { stream, position, bytes } = payload.value as CommandOutput;
  return [event.producer, streamName(stream), position, bytes.length, epoch, sequence, fill].join('.');
}

const outputKeySql = new Sql(
  "arrayStringConcat([command_id, stream, toString(position), toString(size), toString(epoch), toString(sequence), toString(fill)], '.')",
);
