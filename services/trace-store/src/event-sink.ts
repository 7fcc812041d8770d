// One partition's events into ClickHouse.
//
// 1. Blocks of events_v1 are the commit: they hold the position that a restart goes on from. Output and summaries are written before
//    each, so a kill in between leaves nothing out. Summaries are idempotent; output that a kill left without its events is known
//    from the start and not written again.
// 2. A block that is written again, because the answer was lost, is stored once: it goes under the same token.
// 3. What fills a hole is decided once and written again as it was, also when the answer of an insert was lost: where it was written
//    before a kill, the mark says so.

import { createHash } from 'node:crypto';
import type { Cursor } from '@worktrail/contract/cursor';
import { eventSubject } from '@worktrail/contract/subjects';
import type { ClickHouse } from './clickhouse/store.ts';
import type { DeadLetters } from './dead-letters.ts';
import { type Block, eventBlocks } from './event-blocks.ts';
import {
  type BatchOrigin,
  type EventRow,
  eventColumns,
  eventRow,
  outputColumns,
  type StoredRow,
  streamName,
} from './event-row.ts';
import { positionAfter } from './fill-events.ts';
import { fillHole, type GapReason } from './fill-hole.ts';
import type { Sink, StoreResult } from './ingest.ts';
import { createFence, type StoringRight } from './ingest-lease.ts';
import type { JournalReader, JournalSource } from './journal-source.ts';
import { type ParsedEvent, parseEvent, type StreamMessage } from './parse-event.ts';
import { type Hole, planBatch, producerKey, sessionKey } from './plan-batch.ts';
import { readProducerMark } from './producer-mark.ts';
import { createProducerMarks } from './producer-marks.ts';
import { binaryRows, type Column } from './row-binary.ts';
import { createSessionTasks, noTask, type SessionTask } from './session-tasks.ts';
import { Sql, sql } from './sql-text.ts';
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
import type { StoredEvents } from './totals/totals.ts';

/** Of an event, beside its message. */
const rowBytes = 512;

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

interface Rows {
  event: EventRow;
  command: SummaryRow | undefined;
  session: SummaryRow | undefined;
  turn: SummaryRow | undefined;
}

/** A batch on its way: what of it is to be written next, and what was counted so far. */
interface Storing {
  messages: readonly StreamMessage[];
  origin: BatchOrigin;
  rows: ReadonlyMap<ParsedEvent, Rows>;
  /** By session key. */
  tasks: ReadonlyMap<string, SessionTask>;
  blocks: AsyncGenerator<Block, void, void>;
  next: Block | undefined;
  result: StoreResult;
}

export function createEventSink(deps: EventSinkDeps): Sink {
  const { clickhouse, partition } = deps;
  const fence = createFence(deps.right);
  let producerMarks = createProducerMarks(clickhouse);
  const sessionTasks = createSessionTasks(clickhouse);
  let written: ReadonlySet<string> = new Set();
  let storing: Storing | undefined;

  async function begin(messages: readonly StreamMessage[], epoch: number): Promise<Storing> {
    const origin = { partition, epoch, ingestedAt: deps.now() };
    const { rows, unstorable } = prepareAll(messages, origin);
    const events = [...rows.keys()];
    const [marks, tasks] = await Promise.all([producerMarks.load(events), sessionTasks.load(events)]);
    const plan = planBatch(events, (key) => marks.get(key) ?? 0);
    const journal = deps.journals.open();
    const blocks = eventBlocks(plan.store, plan.holes, (hole) => fill({ ...deps, journal, epoch, unstorable }, hole));
    const result = { rows: 0, duplicates: plan.duplicates, holes: [], unstorable };
    return { messages, origin, rows, tasks, blocks, next: undefined, result };
  }

  async function insert(
    table: string,
    columns: readonly Column<StoredRow>[],
    rows: readonly StoredRow[],
    bytes: number,
  ) {
    if (rows.length === 0) return;
    await clickhouse.insertBinary(table, binaryRows(columns, rows, bytes), blockToken(rows));
  }

  async function write({ events }: Block, { rows, tasks, origin }: Storing): Promise<void> {
    const prepared = events.map((event) => rows.get(event) ?? rowsOf(event, origin));
    const stored = prepared.map(({ event }): StoredRow => {
      return { ...event, origin, task: tasks.get(sessionKey(event.parsed.event)) ?? noTask };
    });
    const outputs = stored.filter((row) => row.typed.bytes > 0 && row.output && !written.has(outputKey(row)));
    fence.check();
    await Promise.all([
      insert('command_output_v1', outputColumns, outputs, bytesOf(events)),
      clickhouse.insert('commands_v1', commandColumns, present(prepared.map(({ command }) => command))),
      clickhouse.insert('sessions_v1', sessionColumns, present(prepared.map(({ session }) => session))),
      clickhouse.insert('session_lists_v1', sessionListColumns, events.flatMap(sessionListRows)),
      clickhouse.insert('turns_v1', turnColumns, present(prepared.map(({ turn }) => turn))),
    ]);
    fence.check();
    await insert('events_v1', eventColumns, stored, bytesOf(events));
    producerMarks.advance(events, new Map(events.map((parsed) => [producerKey(parsed.event), parsed.number])));
    deps.totals?.stored(partition, origin.epoch, events);
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

/** Whatever fails here fails the same way next time: such a message is named and must not hold up the others. */
function prepareAll(messages: readonly StreamMessage[], origin: BatchOrigin) {
  const rows = new Map<ParsedEvent, Rows>();
  const unstorable: { message: StreamMessage; reason: string }[] = [];
  for (const message of messages) {
    try {
      const parsed = parseEvent(message);
      rows.set(parsed, rowsOf(parsed, origin));
    } catch (error) {
      unstorable.push({ message, reason: (error as Error).message });
    }
  }
  return { rows, unstorable };
}

function rowsOf(event: ParsedEvent, origin: BatchOrigin): Rows {
  return {
    event: eventRow(event),
    command: commandRow(event),
    session: sessionRow(event, origin.epoch),
    turn: turnRow(event),
  };
}

/** By which events they are, and where: the same ones again are the same block, and other ones never are, whatever became of the stream. */
function blockToken(rows: readonly StoredRow[]): string {
  const hash = createHash('sha256');
  for (const { parsed } of rows) {
    hash.update(`${producerKey(parsed.event)}.${parsed.number}.${parsed.sequence}.${parsed.fill}\n`);
  }
  const { partition, epoch } = rows[0]!.origin;
  return `${partition}-${epoch}-${hash.digest('base64url')}`;
}

/** About what their rows are, in either table. */
function bytesOf(events: readonly ParsedEvent[]): number {
  return events.reduce((sum, { data }) => sum + data.length + rowBytes, 0);
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

/** Output that is stored without its events: as it stands behind them, by its key. */
async function outputBeyond(
  clickhouse: ClickHouse,
  partition: number,
  { epoch, sequence }: Cursor = { epoch: 0, sequence: 0 },
): Promise<Set<string>> {
  const rows = await clickhouse.rows<{ key: string }>(
    sql`SELECT ${outputKeySql} AS key FROM command_output_v1
        WHERE partition = ${partition} AND (epoch > ${epoch} OR (epoch = ${epoch} AND sequence >= ${sequence}))`.text,
  );
  return new Set(rows.map(({ key }) => key));
}

/** With all by which one can differ from the other of the same event: a hole is filled by what the journal has at that time. */
function outputKey({ parsed, output, origin }: StoredRow): string {
  const { stream, position, bytes } = output!;
  const place = [origin.epoch, parsed.sequence, parsed.fill];
  return [parsed.event.producer, streamName(stream), position, bytes.length, ...place].join('.');
}

const outputKeySql = new Sql(
  "arrayStringConcat([command_id, stream, toString(position), toString(size), toString(epoch), toString(sequence), toString(fill)], '.')",
);
