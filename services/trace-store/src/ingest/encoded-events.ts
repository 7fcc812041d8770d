// The events of a batch as the rows that they become, encoded as they come in: until it is stored nothing else is held of a message.
//
// An output is put straight from its message (output-row.ts). Every other event, and an output that is laid out in no known way, is read
// by the library. Both give the same rows.

import type { EventPayload, EventType } from '@worktrail/contract/event-types';
import type { Event } from '@worktrail/proto/event';
import { createRowBuffer, type RowBuffer } from '../clickhouse/row-binary.ts';
import { type BatchOrigin, eventColumns, eventRow, outputColumns, type StoredRow, storedEvent } from './event-row.ts';
import { createOutputRows } from './output-row.ts';
import { type MessageEvent, type ParsedEvent, parseEvent } from './parse-event.ts';
import { noTask, type SessionTask, type Source } from './sources.ts';
import type { StreamMessage } from './stream-message.ts';
import { type Summaries, summariesOf } from './summary-rows.ts';

export interface EncodedEvent extends ParsedEvent {
  /** The rows among which its own are. */
  readonly rows: EncodedEvents;
  readonly eventStart: number;
  readonly eventEnd: number;
  /** The same where it is not an output with bytes. */
  readonly outputStart: number;
  readonly outputEnd: number;
  readonly summaries: Summaries | undefined;
}

export interface EncodedEvents {
  /** @throws UnstorableMessage, or another error where a column cannot hold it; then nothing of it is there. */
  add(message: StreamMessage, source: Source): EncodedEvent;
  addParsed(parsed: MessageEvent, task: SessionTask): EncodedEvent;
  eventRows(): Buffer;
  outputRows(): Buffer;
}

export interface EncodedEventsMemory {
  /** In memory that was given back, where there is some. */
  open(origin: BatchOrigin): EncodedEvents;
  /** Nothing of them is looked at any more. */
  giveBack(rows: EncodedEvents): void;
}

const bytesFirst = 4 * 1024 * 1024;
/** What grew beyond is let go. */
const bytesKept = 48 * 1024 * 1024;
/** One batch is stored, one is made. */
const keptMax = 2;

interface Buffers {
  events: RowBuffer<StoredRow>;
  outputs: RowBuffer<StoredRow>;
}

export function createEncodedEventsMemory(): EncodedEventsMemory {
  const kept: Buffers[] = [];
  const given = new WeakMap<EncodedEvents, Buffers>();
  return {
    open: (origin) => {
      const buffers = kept.pop() ?? {
        events: createRowBuffer(eventColumns, bytesFirst),
        outputs: createRowBuffer(outputColumns, bytesFirst),
      };
      const rows = encodedEvents(origin, buffers);
      given.set(rows, buffers);
      return rows;
    },
    giveBack: (rows) => {
      const buffers = given.get(rows);
      if (!given.delete(rows) || !buffers || kept.length >= keptMax) return;
      if (buffers.events.rows().length + buffers.outputs.rows().length > bytesKept) return;
      buffers.events.clear();
      buffers.outputs.clear();
      kept.push(buffers);
    },
  };
}

function encodedEvents(origin: BatchOrigin, { events, outputs }: Buffers): EncodedEvents {
  const outputRows = createOutputRows(origin);
  let [eventsEnd, outputsEnd] = [0, 0];

  const rows: EncodedEvents = {
    add: (message, source) => {
      const task = source.session.task ?? noTask;
      const output = outputRows.read(message, source, task);
      const eventEnd = output && events.put(output.putEvent);
      // Where its text is not ASCII, the library judges it.
      if (!output || eventEnd === undefined) return rows.addParsed(parseEvent(message, source), task);
      const outputEnd = output.bodySize > 0 ? outputs.put(output.putBody)! : outputsEnd;
      const event = new Encoded(rows, source.key, source.session.key, message.sequence, 0, 'command.output');
      event.number = output.number;
      event.timeMs = output.timeMs;
      event.size = message.data.length;
      event.place(eventsEnd, eventEnd, outputsEnd, outputEnd, output.messageSize, output.bodySize, undefined);
      [eventsEnd, outputsEnd] = [eventEnd, outputEnd];
      return event;
    },
    addParsed: (parsed, task) => {
      const row = { ...eventRow(parsed, origin), task };
      const summaries = summariesOf(parsed, origin.epoch);
      const eventEnd = events.add(row);
      const bodySize = row.output?.bytes.length ?? 0;
      const outputEnd = bodySize > 0 ? outputs.add(row) : outputsEnd;
      const event = new Encoded(rows, parsed.producerKey, parsed.sessionKey, parsed.sequence, parsed.fill, parsed.type);
      event.number = parsed.number;
      event.timeMs = parsed.time.getTime();
      event.size = parsed.size;
      event.place(eventsEnd, eventEnd, outputsEnd, outputEnd, row.message.length, bodySize, summaries);
      [eventsEnd, outputsEnd] = [eventEnd, outputEnd];
      return event;
    },
    eventRows: () => events.rows(),
    outputRows: () => outputs.rows(),
  };
  return rows;
}

/** Many are held: numbers and what is there anyway, nothing of its own. */
class Encoded implements EncodedEvent {
  readonly rows: EncodedEvents;
  readonly producerKey: string;
  readonly sessionKey: string;
  readonly sequence: number;
  readonly fill: number;
  readonly type: EventType;
  number = 0;
  timeMs = 0;
  size = 0;
  eventStart = 0;
  eventEnd = 0;
  outputStart = 0;
  outputEnd = 0;
  summaries: Summaries | undefined = undefined;
  #messageSize = 0;
  #bodySize = 0;

  constructor(
    rows: EncodedEvents,
    producerKey: string,
    sessionKey: string,
    sequence: number,
    fill: number,
    type: EventType,
  ) {
    this.rows = rows;
    this.producerKey = producerKey;
    this.sessionKey = sessionKey;
    this.sequence = sequence;
    this.fill = fill;
    this.type = type;
  }

  place(
    eventStart: number,
    eventEnd: number,
    outputStart: number,
    outputEnd: number,
    messageSize: number,
    bodySize: number,
    summaries: Summaries | undefined,
  ): void {
    this.eventStart = eventStart;
    this.eventEnd = eventEnd;
    this.outputStart = outputStart;
    this.outputEnd = outputEnd;
    this.#messageSize = messageSize;
    this.#bodySize = bodySize;
    this.summaries = summaries;
  }

  get time(): Date {
    return new Date(this.timeMs);
  }

  /** Both end with what the message was made of. */
  get event(): Event {
    const message = this.rows.eventRows().subarray(this.eventEnd - this.#messageSize, this.eventEnd);
    if (this.outputStart === this.outputEnd) return storedEvent(message);
    return storedEvent(message, this.rows.outputRows().subarray(this.outputEnd - this.#bodySize, this.outputEnd));
  }

  get payload(): EventPayload {
    return this.event.payload as EventPayload;
  }
}
