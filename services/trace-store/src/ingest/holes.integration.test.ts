// Events that the stream lost, or that could not be read: made again from the command's journal, else a gap, at their place, once.

import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { buckets, eventStream, eventSubject, runnerControlSubject, sessionKey } from '@worktrail/contract/subjects';
import { CommandOutputSchema, Stream } from '@worktrail/proto/event';
import { ControlReplySchema, ControlRequestSchema, type JournalRangeSchema } from '@worktrail/proto/runner';
import { SessionScopeSchema, type StoredEvent } from '@worktrail/proto/trace';
import { openBucket } from '@worktrail/runtime/buckets';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ended,
  type Fixture,
  newSession,
  openFixture,
  output,
  publisher,
  queued,
  type TestSession,
} from '../trace-store-fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture('holes');
});

afterEach(() => fixture.close());

const scopeOf = (session: TestSession) => create(SessionScopeSchema, session);
const busy = { case: 'sessionBusy' as const, value: {} };
const started = { case: 'commandStarted' as const, value: {} };

/** By pages of this size. */
async function history(session: TestSession, limit = 300): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  let after: StoredEvent['cursor'];
  for (;;) {
    const page = await fixture.trace.listEvents({ scope: scopeOf(session), after, limit });
    events.push(...page.events);
    if (page.complete) return events;
    after = page.next;
  }
}

/** Numbers of a producer; a gap as from–to. */
function told(events: readonly StoredEvent[], producer: string): (number | string)[] {
  return events
    .filter(({ event }) => event!.producer === producer)
    .map(({ event }) => {
      const { payload, number } = event!;
      return payload.case === 'gap' ? `${payload.value.fromNumber}–${payload.value.toNumber}` : Number(number);
    });
}

function expectOrder(events: readonly StoredEvent[]): void {
  const places = events.map(({ cursor }) => [cursor!.epoch, cursor!.sequence, cursor!.fill] as const);
  const sorted = places.toSorted((a, b) => Number(a[0] - b[0] || a[1] - b[1] || a[2] - b[2]));
  expect(places).toEqual(sorted);
  expect(new Set(places.map(String)).size).toBe(places.length);
}

async function readOutput(session: TestSession, commandId: string): Promise<{ text: string; gaps: unknown[] }> {
  const request = { scope: scopeOf(session), commandId, stream: Stream.UNSPECIFIED, limit: 8_000_000 };
  const part = await fixture.trace.readOutput(request);
  return { text: Buffer.from(part.bytes).toString(), gaps: part.gaps };
}

type RangeInit = MessageInitShape<typeof JournalRangeSchema>;

/** A runner that has the session, and answers with what its journal holds. */
async function startRunner(
  session: TestSession,
  journal: { stream: 'stdout' | 'stderr'; text: string }[],
  more: RangeInit = {},
): Promise<{ asked: () => number; stop: () => void }> {
  const runnerId = 'run-0123456789abcdef';
  const sessions = await openBucket(fixture.connection, buckets.sessions);
  const document: Partial<SessionDocument> = { version: 1, id: session.sessionId, runnerId };
  await sessions.put(sessionKey(session.organizationId, session.sessionId), JSON.stringify(document));
  let asked = 0;
  const subscription = fixture.connection.subscribe(runnerControlSubject(runnerId), {
    callback: (_error, message) => {
      asked++;
      const { operation } = fromBinary(ControlRequestSchema, message.data);
      if (operation.case !== 'readJournal') throw new Error('another request');
      const { fromPosition, toPosition, bytesMax } = operation.value;
      const range = rangeOf(
        journal,
        Number(fromPosition),
        Math.min(Number(toPosition), Number(fromPosition) + bytesMax),
      );
      message.respond(
        toBinary(ControlReplySchema, create(ControlReplySchema, { journalRange: { ...more, output: range } })),
      );
    },
  });
  await fixture.connection.flush();
  return { asked: () => asked, stop: () => subscription.unsubscribe() };
}

function rangeOf(journal: { stream: 'stdout' | 'stderr'; text: string }[], from: number, to: number) {
  const offsets = { stdout: 0, stderr: 0 };
  let position = 0;
  return journal.flatMap(({ stream, text }) => {
    const start = Math.max(0, from - position);
    const bytes = Buffer.from(text).subarray(start, Math.max(start, to - position));
    const piece = create(CommandOutputSchema, output(stream, offsets[stream] + start, position + start, bytes).value);
    offsets[stream] += text.length;
    position += text.length;
    return bytes.length > 0 ? [piece] : [];
  });
}

/** Streams are there, and nothing is read from them yet. */
async function startStopped(): Promise<void> {
  await fixture.start();
  await fixture.stop();
}

async function lose(...sequences: number[]): Promise<void> {
  for (const sequence of sequences) await fixture.jsm.streams.deleteMessage(eventStream(0), sequence);
}

test('what was deleted from the middle of the session is a gap in its place, the same by every page size', async () => {
  await startStopped();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  for (let number = 1; number <= 9; number++) await publish('session', number, busy);
  await lose(3, 4, 8);
  await fixture.start();
  const events = await history(session);
  expect(told(events, 'session')).toEqual([1, 2, '3–4', 5, 6, 7, '8–8', 9]);
  expectOrder(events);
  const gap = events.find(({ event }) => event!.payload.case === 'gap')!.event!;
  expect(gap.payload.value).toMatchObject({ producer: 'session', fromNumber: 3n, toNumber: 4n, reason: 'stream_lost' });
  for (const limit of [1, 2, 3]) expect(await history(session, limit)).toEqual(events);
});

test('a reader that was caught up before the hole shows is told of it, and of nothing twice', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  await publish('session', 1, busy);
  await publish(newId('command'), 1, queued('true'));
  const first = await fixture.trace.listEvents({ scope: scopeOf(session) });
  expect(first).toMatchObject({ complete: true });
  expect(first.events).toHaveLength(2);
  // No sequence of the stream is free between what was read and what comes.
  await publish('session', 4, busy);
  await publish('session', 5, busy);
  const second = await fixture.trace.listEvents({ scope: scopeOf(session), after: first.next });
  expect(told(second.events, 'session')).toEqual(['2–3', 4, 5]);
  expectOrder([...first.events, ...second.events]);
  const rest = await fixture.trace.listEvents({ scope: scopeOf(session), after: second.events[0]!.cursor! });
  expect(told(rest.events, 'session')).toEqual([4, 5]);
});

test("a command's lost output is there again from its journal, with the numbers that were lost", async () => {
  await startStopped();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const commandId = newId('command');
  await startRunner(session, [
    { stream: 'stdout', text: 'one two ' },
    { stream: 'stderr', text: 'oops ' },
    { stream: 'stdout', text: 'three four five' },
  ]);
  await publish(commandId, 1, queued('count'));
  await publish(commandId, 2, started);
  const lost = [
    await publish(commandId, 3, output('stdout', 0, 0, Buffer.from('one two '))),
    await publish(commandId, 4, output('stderr', 0, 8, Buffer.from('oops '))),
    await publish(commandId, 5, output('stdout', 8, 13, Buffer.from('three '))),
  ];
  await publish(commandId, 6, output('stdout', 14, 19, Buffer.from('four ')));
  lost.push(await publish(commandId, 7, output('stdout', 19, 24, Buffer.from('five'))));
  await publish(commandId, 8, ended(0, 23, 5));
  await lose(...lost);
  await fixture.start();
  const events = await history(session);
  expect(told(events, commandId)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expectOrder(events);
  expect(await readOutput(session, commandId)).toEqual({ text: 'one two oops three four five', gaps: [] });
  const status = await fixture.trace.getStatus({});
  expect(status.partitions[0]).toMatchObject({ eventsBackfilled: 4n, gaps: 0n });
  expect(await fixture.trace.getProducerMark({ scope: scopeOf(session), producer: commandId })).toMatchObject({
    number: 8n,
    stdoutOffset: 23n,
    stderrOffset: 5n,
    position: 28n,
    ended: true,
  });
});

test('after the stream was made anew a live command has its whole beginning again', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const commandId = newId('command');
  await startRunner(session, [{ stream: 'stdout', text: 'all of it' }], {
    queued: { command: 'print', cwd: 'src', timeoutSeconds: 7, background: false, origin: 'user' },
    queuedBy: { kind: 1, id: 'prn_who' },
    queuedAt: timestampFromMs(1_790_000_000_000),
    startedAt: timestampFromMs(1_790_000_000_100),
  });
  await fixture.stop();
  await publish(commandId, 1, queued('print'));
  await fixture.jsm.streams.delete(eventStream(0));
  await fixture.start();
  await publish(commandId, 4, output('stdout', 4, 4, Buffer.from('of it')));
  const events = await history(session);
  expect(told(events, commandId)).toEqual([1, 2, 3, 4]);
  expect(await readOutput(session, commandId)).toEqual({ text: 'all of it', gaps: [] });
  const { command } = await fixture.trace.getCommand({ scope: scopeOf(session), commandId });
  expect(command).toMatchObject({ queued: { command: 'print', cwd: 'src', timeoutSeconds: 7 } });
  expect(command!.startedAt).toEqual(timestampFromMs(1_790_000_000_100));
  const listed = await fixture.trace.listCommands({ scope: scopeOf(session) });
  expect(listed.commands.map((each) => each.commandId)).toEqual([commandId]);
});

test('output whose journal is gone is a gap that names the positions, and what follows is kept', async () => {
  await startStopped();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const commandId = newId('command');
  await publish(commandId, 1, queued('count'));
  await publish(commandId, 2, started);
  await publish(commandId, 3, output('stdout', 0, 0, Buffer.from('before ')));
  const lost = [
    await publish(commandId, 4, output('stdout', 7, 7, Buffer.from('lost '))),
    await publish(commandId, 5, output('stdout', 12, 12, Buffer.from('as well '))),
  ];
  await publish(commandId, 6, output('stdout', 20, 20, Buffer.from('after')));
  await publish(commandId, 7, ended(0, 25, 0));
  await lose(...lost);
  await fixture.start();
  expect(told(await history(session), commandId)).toEqual([1, 2, 3, '4–5', 6, 7]);
  expect(await readOutput(session, commandId)).toEqual({
    text: 'before after',
    gaps: [expect.objectContaining({ fromOffset: 7n, toOffset: 20n, reason: 'stream_lost' })],
  });
});

test('a message that cannot be read is among the dead letters and a gap in its place, also over a restart', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const subject = eventSubject(session, 'session');
  await publish('session', 1, busy);
  await fixture.js.publish(subject, Buffer.from('no event'));
  await publish('session', 3, busy);
  expect(told(await history(session), 'session')).toEqual([1, '2–2', 3]);
  await fixture.js.publish(subject, Buffer.from('none either'));
  // Stored after it, so that a restart does not read it again.
  await publish('other', 1, busy);
  await history(session);
  await fixture.start();
  await publish('session', 5, busy);
  await publish('session', 7, busy);
  const events = await history(session);
  expect(told(events, 'session')).toEqual([1, '2–2', 3, '4–4', 5, '6–6', 7]);
  const reasons = events.flatMap(({ event }) => (event!.payload.case === 'gap' ? [event!.payload.value.reason] : []));
  expect(reasons).toEqual(['unparsable', 'unparsable', 'stream_lost']);
  const status = await fixture.trace.getStatus({});
  expect(status.partitions[0]).toMatchObject({ deadLetters: 2n, gaps: 3n, eventsBackfilled: 0n });
  expect(status.partitions[0]!.newestDeadLetterReason).toMatch(/not a protobuf Event/);
  const metrics = await (await fetch(`${fixture.address()}/metrics`)).text();
  expect(metrics).toMatch(
    /dead_letters_kept\{partition="0",newest_reason="not a protobuf Event[^"]*",service="trace-store"\} 2/,
  );
  expect(metrics).toMatch(/fills\{partition="0",kind="gap",service="trace-store"\} 3/);
});

test('a runner that hangs, or answers nonsense, is given up after a while, and others are stored meanwhile or after', async () => {
  await startStopped();
  const [session, other] = [newSession(), newSession()];
  const commandId = newId('command');
  const runner = await startRunner(session, []);
  runner.stop();
  let asked = 0;
  fixture.connection.subscribe(runnerControlSubject('run-0123456789abcdef'), {
    callback: (_error, message) => {
      asked++;
      if (asked === 1) message.respond(Buffer.from('nonsense'));
    },
  });
  const publish = publisher(fixture.js, session);
  await publish(commandId, 1, queued('count'));
  await publish(commandId, 2, started);
  await publish(commandId, 4, output('stdout', 5, 5, Buffer.from('after')));
  await publisher(fixture.js, other)('session', 1, busy);
  await fixture.start();
  // Reads are refused while it is not known whether there is more.
  await expect.poll(() => history(other).catch(() => [])).toHaveLength(1);
  expect(told(await history(session), commandId)).toEqual([1, 2, '3–3', 4]);
  expect(asked).toBeGreaterThan(1);
  expect(asked).toBeLessThanOrEqual(4);
});
