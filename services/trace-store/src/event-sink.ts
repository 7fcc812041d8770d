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
  type OutputRow,
  outputColumns,
  outputRow,
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
import { createSessionTasks, noTask, type SessionTask } from './session-tasks.ts';
import { Sql, sql } from './sql-text.ts';
import {
  commandColumns,
  commandRow,
  type SummaryRow,
  sessionColumns,
  sessionRow,
  turnColumns,
  turnRow,
} from './summary-rows.ts';

export interface EventSinkDeps {
  clickhouse: ClickHouse;
  journals: JournalSource;
  deadLetters: Pick<DeadLetters, 'newestOf'>;
  partition: number;
  right: StoringRight;
  now: () => Date;
}

interface Rows {
  event: EventRow;
  output: OutputRow | undefined;
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

  async function write({ events }: Block, { rows, tasks, origin }: Storing): Promise<void> {
    const prepared = events.map((event) => rows.get(event) ?? rowsOf(event, origin));
    const taskOf = (parsed: ParsedEvent) => tasks.get(sessionKey(parsed.event)) ?? noTask;
    const outputs = events.flatMap((event, index) => {
      const output = prepared[index]!.output;
      return output && !written.has(outputKey(output)) ? [{ event, output }] : [];
    });
    fence.check();
    await Promise.all([
      clickhouse.insertCells(
        'command_output_v1',
        [...outputColumns, 'task_id'],
        outputs.map(({ event, output }) => [...outputColumns.map((column) => output[column]), taskOf(event).task_id]),
        blockToken(
          outputs.map(({ event }) => event),
          origin,
        ),
      ),
      clickhouse.insert('commands_v1', commandColumns, present(prepared.map(({ command }) => command))),
      clickhouse.insert('sessions_v1', sessionColumns, present(prepared.map(({ session }) => session))),
      clickhouse.insert('turns_v1', turnColumns, present(prepared.map(({ turn }) => turn))),
    ]);
    fence.check();
    const cells = prepared.map(({ event }, index) => {
      const { task_id, trial_id } = taskOf(events[index]!);
      return [...eventColumns.map((column) => event[column]), task_id, trial_id];
    });
    await clickhouse.insertCells(
      'events_v1',
      [...eventColumns, 'task_id', 'trial_id'],
      cells,
      blockToken(events, origin),
    );
    producerMarks.advance(events, new Map(events.map((parsed) => [producerKey(parsed.event), parsed.number])));
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
    event: eventRow(event, origin),
    output: outputRow(event, origin),
    command: commandRow(event),
    session: sessionRow(event, origin.epoch),
    turn: turnRow(event),
  };
}

/** By which events they are, and where: the same ones again are the same block, and other ones never are, whatever became of the stream. */
function blockToken(events: readonly ParsedEvent[], { partition, epoch }: BatchOrigin): string {
  const hash = createHash('sha256');
  for (const { event, sequence, fill } of events) {
    hash.update(`${producerKey(event)}.${event.number}.${sequence}.${fill}\n`);
  }
  return `${partition}-${epoch}-${hash.digest('base64url')}`;
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
function outputKey({ command_id, stream, position, size, epoch, sequence, fill }: OutputRow): string {
  return [command_id, stream, position, size, epoch, sequence, fill].join('.');
}

const outputKeySql = new Sql(
  "arrayStringConcat([command_id, stream, toString(position), toString(size), toString(epoch), toString(sequence), toString(fill)], '.')",
);
