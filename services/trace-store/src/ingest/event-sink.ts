// One partition's events into ClickHouse.
//
// 1. Blocks of events_v1 are the commit: they hold the position that a restart goes on from. Output and summaries are written before
//    each, so a kill in between leaves nothing out. Summaries are idempotent; output that a kill left without its events is known
//    from the start and not written again.
// 2. A block that is written again, because the answer was lost, is stored once: it goes under the same token.
// 3. What fills a hole is decided once and written again as it was, also when the answer of an insert was lost: where it was written
//    before a kill, the mark says so.
// 4. Each step takes some milliseconds of 20,000 events: between two of them others have their turn, so that whoever asks waits for one.

import { createHash } from 'node:crypto';
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Cursor } from '@worktrail/contract/cursor';
import { eventSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { CommandOutput } from '@worktrail/proto/event';
import type { ClickHouse } from '../clickhouse/store.ts';
import type { DeadLetters } from './dead-letters.ts';
import { type Block, eventBlocks } from './event-blocks.ts';
import { createEncodedEventsMemory, type EncodedEvent, type EncodedEvents } from './encoded-events.ts';
import { type BatchOrigin, eventColumns, outputColumns, streamName } from './event-row.ts';
import { positionAfter } from './fill-events.ts';
import { fillHole, type GapReason } from './fill-hole.ts';
import type { Batch, Sink, StoreResult } from './ingest.ts';
import { createFence, type StoringRight } from './ingest-lease.ts';
import type { JournalReader, JournalSource } from './journal-source.ts';
import { type MessageEvent, type ParsedEvent, parseEvent } from './parse-event.ts';
import { type Hole, planBatch } from './plan-batch.ts';
import { readProducerMark } from './producer-mark.ts';
import { createProducerMarks } from './producer-marks.ts';
import { columnNames } from '../clickhouse/row-binary.ts';
import { createSources, lookUpTasks, noTask, type SessionTask, type Source } from './sources.ts';
import { Sql, sql } from '../clickhouse/sql-text.ts';
import { combined, commandColumns, sessionColumns, sessionListColumns, turnColumns } from './summary-rows.ts';
import type { StoredEvents } from './stored-events.ts';
import { type StreamMessage, UnstorableMessage } from './stream-message.ts';

const dayMs = 86_400_000;
/** More output is stored by two inserts at once: what they cost is mostly the index of its words, which one thread makes. */
const outputRowsAlone = 2_000;
/** Questions are answered between so many. */
const messagesAtOnce = 64;

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

/** A batch on its way, and what was counted of it so far. */
interface Storing {
  blocks: AsyncGenerator<Block, void, void>;
  result: StoreResult;
}

export function createEventSink(deps: EventSinkDeps): Sink {
  const { clickhouse, partition } = deps;
  const fence = createFence(deps.right);
  const sources = createSources();
  const memory = createEncodedEventsMemory();
  let producerMarks = createProducerMarks(clickhouse);
  let written: OutputBeyond = { keys: new Set(), last: 0 };
  /** Marks of the batch that was staged last: ClickHouse may not tell of them yet. */
  let uncommitted: ReadonlyMap<string, number> = new Map();

  function begin(epoch: number): Batch {
    const origin = { partition, epoch, ingestedAt: deps.now() };
    const rows = memory.open(origin);
    const events: EncodedEvent[] = [];
    const unstorable: { message: StreamMessage; reason: string }[] = [];
    let before: ReadonlyMap<string, number> | undefined;
    let storing: Storing | undefined;
    let block: Block | undefined;
    let staged: EncodedEvent[] | undefined;

    /** Whatever fails of one event here fails the same way next time: its message is named and must not hold up the others. */
    async function addSome(messages: readonly StreamMessage[]): Promise<void> {
      const found: { message: StreamMessage; source: Source }[] = [];
      for (const message of messages) {
        try {
          found.push({ message, source: sources.of(message.subject) });
        } catch (error) {
          unstorable.push({ message, reason: (error as Error).message });
        }
      }
      await learnTasks(clickhouse, found);
      for (const { message, source } of found) {
        try {
          events.push(rows.add(message, source));
        } catch (error) {
          unstorable.push({ message, reason: (error as Error).message });
        }
      }
    }

    async function start(beforeIsCommitted: Promise<void>): Promise<Storing> {
      unstorable.sort((a, b) => a.message.sequence - b.message.sequence);
      const stored = await producerMarks.load(events);
      await othersTurn();
      before ??= uncommitted;
      const markOf = (key: string) => Math.max(stored.get(key) ?? 0, before!.get(key) ?? 0);
      const plan = planBatch(events, markOf);
      await othersTurn();
      // What fills a hole goes by what is stored.
      if (plan.holes.size > 0) await beforeIsCommitted;
      // Begun again, while the batch after it is staged, it leaves what that one has told.
      if (uncommitted === before) uncommitted = plan.marks;
      const journal = deps.journals.open();
      const blocks = eventBlocks(plan.store, plan.holes, (hole) => fill({ ...deps, journal, epoch, unstorable }, hole));
      return { blocks, result: { rows: 0, duplicates: plan.duplicates, holes: [], unstorable } };
    }

    /** The next block, with all of it but its events written. */
    async function stageNext({ blocks }: Storing): Promise<void> {
      try {
        block ??= (await blocks.next()).value ?? undefined;
      } catch (error) {
        // What was found out for a block that could not be made is found out again.
        storing = undefined;
        throw error;
      }
      if (!block || staged) return;
      const encoded = encodeFilling(block.events, origin);
      await othersTurn();
      await writeBefore(encoded, epoch);
      staged = encoded;
    }

    return {
      add: async (messages) => {
        for (let from = 0; from < messages.length; from += messagesAtOnce) {
          await addSome(messages.slice(from, from + messagesAtOnce));
          await othersTurn();
        }
      },
      stage: async (beforeIsCommitted) => {
        storing ??= await start(beforeIsCommitted);
        await stageNext(storing);
      },
      commit: async () => {
        storing ??= await start(Promise.resolve());
        const { result } = storing;
        for (;;) {
          await stageNext(storing);
          if (!block || !staged) break;
          await writeEvents(staged, epoch);
          result.rows += block.events.length;
          result.holes = [...result.holes, ...block.holes];
          block = staged = undefined;
        }
        memory.giveBack(rows);
        return result;
      },
    };
  }

  async function writeBefore(events: readonly EncodedEvent[], epoch: number): Promise<void> {
    const outputs = events.filter((event) => event.outputEnd > event.outputStart && !isWritten(event, epoch));
    const summaries = present(events.map((event) => event.summaries));
    const of = (name: 'command' | 'session' | 'turn') => present(summaries.map((each) => each[name]));
    fence.check();
    await settled([
      ...inPieces(outputs).map((piece) => insert('command_output_v1', outputColumns, piece, epoch, outputRow)),
      clickhouse.insert('commands_v1', commandColumns, combined(of('command'), ['session_id', 'command_id'])),
      clickhouse.insert('sessions_v1', sessionColumns, of('session')),
      clickhouse.insert(
        'session_lists_v1',
        sessionListColumns,
        summaries.flatMap(({ lists }) => lists),
      ),
      clickhouse.insert('turns_v1', turnColumns, of('turn')),
    ]);
  }

  async function writeEvents(events: readonly EncodedEvent[], epoch: number): Promise<void> {
    await insert('events_v1', eventColumns, events, epoch, eventRow);
    await othersTurn();
    producerMarks.advance(events);
    await othersTurn();
    deps.totals?.stored(partition, epoch, [...firstOfEachDay(events), events.at(-1)!]);
  }

  /** What fills a hole is encoded once it is its turn: there may be any number of it. */
  function encodeFilling(events: readonly ParsedEvent[], origin: BatchOrigin): EncodedEvent[] {
    let rows: EncodedEvents | undefined;
    return events.map((event) => {
      if ('rows' in event) return event as EncodedEvent;
      rows ??= createEncodedEventsMemory().open(origin);
      const { organizationId, sessionId, producer } = event.event;
      const { session } = sources.of(eventSubject({ partition, organizationId, sessionId }, producer));
      return rows.addParsed(event as MessageEvent, session.task ?? noTask);
    });
  }

  function isWritten(event: ParsedEvent, epoch: number): boolean {
    return event.sequence <= written.last && written.keys.has(outputKey(event, epoch));
  }

  async function insert(
    table: string,
    columns: readonly { name: string }[],
    events: readonly EncodedEvent[],
    epoch: number,
    rowOf: (event: EncodedEvent) => Row,
  ): Promise<void> {
    if (events.length === 0) return;
    const token = blockToken(events, partition, epoch);
    await othersTurn();
    const rows = joined(events, rowOf);
    await othersTurn();
    fence.check();
    await clickhouse.insertBinary(table, { columns: columnNames(columns), rows }, token);
  }

  return {
    begin,
    storedPosition: async () => {
      // What an interrupted insert left behind is known to ClickHouse only.
      producerMarks = createProducerMarks(clickhouse);
      uncommitted = new Map();
      fence.begin();
      const position = await storedPosition(clickhouse, partition);
      deps.totals?.opened(partition, position);
      written = await outputBeyond(clickhouse, partition, position);
      return position;
    },
  };
}

/** Of those that do not know theirs yet; their first events may be among these. */
async function learnTasks(
  clickhouse: ClickHouse,
  messages: readonly { message: StreamMessage; source: Source }[],
): Promise<void> {
  const unknown = messages.filter(({ source }) => !source.session.task);
  if (unknown.length === 0) return;
  for (const { message, source } of unknown) {
    if (source.producer === sessionProducer) source.session.task ??= taskToldBy(message);
  }
  const sessions = new Set(unknown.map(({ source }) => source.session));
  await lookUpTasks(
    clickhouse,
    [...sessions].filter(({ task }) => !task),
  );
}

function taskToldBy(message: StreamMessage): SessionTask | undefined {
  try {
    const { payload } = parseEvent(message);
    if (payload.case !== 'sessionCreated') return undefined;
    return { task_id: payload.value.taskId, trial_id: payload.value.trialId };
  } catch (error) {
    // It is judged, and named, where it is encoded.
    if (error instanceof UnstorableMessage) return undefined;
    throw error;
  }
}

interface Row {
  from: Buffer;
  start: number;
  end: number;
}

function eventRow({ rows, eventStart, eventEnd }: EncodedEvent): Row {
  return { from: rows.eventRows(), start: eventStart, end: eventEnd };
}

function outputRow({ rows, outputStart, outputEnd }: EncodedEvent): Row {
  return { from: rows.outputRows(), start: outputStart, end: outputEnd };
}

/** Two of many, with as many rows each; of the same rows the same ones. */
function inPieces(events: readonly EncodedEvent[]): (readonly EncodedEvent[])[] {
  if (events.length < outputRowsAlone) return [events];
  const middle = Math.ceil(events.length / 2);
  return [events.slice(0, middle), events.slice(middle)];
}

/** Rows that follow each other are one piece; where that is all, nothing is copied. */
function joined(events: readonly EncodedEvent[], rowOf: (event: EncodedEvent) => Row): Buffer {
  const pieces: Buffer[] = [];
  let piece = rowOf(events[0]!);
  for (const event of events.slice(1)) {
    const next = rowOf(event);
    if (next.from.buffer !== piece.from.buffer || next.start !== piece.end) {
      pieces.push(piece.from.subarray(piece.start, piece.end));
      piece = next;
    } else piece.end = next.end;
  }
  pieces.push(piece.from.subarray(piece.start, piece.end));
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** By which events they are, and where: the same ones again are the same block, and other ones never are, whatever became of the stream. */
function blockToken(events: readonly EncodedEvent[], partition: number, epoch: number): string {
  const names = events.map(
    ({ producerKey, number, sequence, fill: at }) => `${producerKey}.${number}.${sequence}.${at}`,
  );
  return `${partition}-${epoch}-${createHash('sha256').update(names.join('\n')).digest('base64url')}`;
}

/** No write is under way any more where one has failed: what is looked up after that stays so. */
async function settled(writes: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(writes);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Of each session: what is counted by session and day is not told of every event. */
function firstOfEachDay(events: readonly ParsedEvent[]): ParsedEvent[] {
  const days = new Map<string, number>();
  return events.filter((event) => {
    const day = Math.floor(event.time.getTime() / dayMs);
    if (days.get(event.sessionKey) === day) return false;
    days.set(event.sessionKey, day);
    return true;
  });
}

function present<Row extends object>(rows: readonly (Row | undefined)[]): Row[] {
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
