import { jetstreamManager } from '@nats-io/jetstream';
import { parseCursor } from '@worktrail/contract/cursor';
import type { PublicEvent } from '@worktrail/contract/event-json';
import { eventStream } from '@worktrail/contract/subjects';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fixture, openFixture } from '../gateway-fixture.ts';
import { append, makeSession, outputPayload, readEvents, readStream, type TestSession } from './feed-fixture.ts';

let fixture: Fixture;
const streamsMax = 20;

beforeAll(async () => {
  const quota = { WORKTRAIL_QUOTAS_FOLLOWERS_PER_ORGANIZATION_MAX: String(streamsMax) };
  fixture = await openFixture('feed', quota);
});
afterAll(() => fixture?.close());

/** Appends outputs of so many bytes each, one command after the other's event, on several commands at once. */
async function publish(session: TestSession, commands: number, each: number, size = 10): Promise<void> {
  await Promise.all(
    Array.from({ length: commands }, async () => {
      const producer = session.producer();
      for (let index = 0; index < each; index++) {
        await append(producer, outputPayload(index * size, new Uint8Array(size).fill(97)));
      }
    }),
  );
}

function expectWhole(events: readonly PublicEvent[], commands: number, each: number): void {
  const sequences = events.map(({ cursor }) => parseCursor(cursor)!.sequence);
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
  expect(new Set(events.map(({ id }) => id)).size).toBe(commands * each);
  const byCommand = Map.groupBy(events, ({ commandId }) => commandId);
  expect(byCommand.size).toBe(commands);
  for (const own of byCommand.values()) {
    expect(own.map(({ data }) => data['offset'])).toEqual(Array.from({ length: each }, (_, index) => index * 10));
  }
}

test('a stream that is cut and resumed ten times while commands write gives every event once, in order', async () => {
  const session = await makeSession(fixture);
  const writing = publish(session, 4, 250);
  const events: PublicEvent[] = [];
  for (let cut = 0; cut < 10; cut++) {
    events.push(...(await readEvents(fixture, session.document.id, 40 + cut, events.at(-1)?.cursor)));
  }
  events.push(...(await readEvents(fixture, session.document.id, 1_000 - events.length, events.at(-1)?.cursor)));
  await writing;
  expectWhole(events, 4, 250);
});

test('pages, a stream from the first event, and a stream from a cursor give the same history', async () => {
  const session = await makeSession(fixture);
  await publish(session, 2, 60);
  const { id } = session.document;
  const paged: PublicEvent[] = [];
  for (let after = '', complete = false; !complete; ) {
    const page = await fixture.call('GET', `/v1/sessions/${id}/events?limit=50${after && `&after=${after}`}`);
    paged.push(...page.body.items);
    ({ nextCursor: after, complete } = page.body);
  }
  expect(await readEvents(fixture, id, 120)).toEqual(paged);
  expect(await readEvents(fixture, id, 20, paged[99]!.cursor)).toEqual(paged.slice(100));
  expect((await fixture.call('GET', `/v1/sessions/${id}`)).body.lastCursor).toBe(paged.at(-1)!.cursor);
});

test('a reader that does not read for a while gets everything once it does', async () => {
  const session = await makeSession(fixture);
  const cut = new AbortController();
  const reader = readStream(fixture, session.document.id, { signal: cut.signal });
  const producer = session.producer();
  const size = 16 * 1024;
  const count = 2_200;
  await append(producer, outputPayload(0, new Uint8Array(size)));
  expect((await reader.next()).value).toMatchObject({ type: 'command.output' });
  for (let index = 1; index < count; index++) await append(producer, outputPayload(index * size, new Uint8Array(size)));
  const offsets: unknown[] = [];
  for await (const event of reader) {
    offsets.push(event.data['offset']);
    if (offsets.length === count - 1) break;
  }
  cut.abort();
  expect(offsets).toEqual(Array.from({ length: count - 1 }, (_, index) => (index + 1) * size));
});

test('a long poll is answered by the next event of the types asked for, or empty when the time is over', async () => {
  const session = await makeSession(fixture);
  const path = `/v1/sessions/${session.document.id}/events`;
  const empty = await fixture.call('GET', `${path}?waitSeconds=0.3`);
  expect(empty.body).toMatchObject({ items: [], complete: true });
  const producer = session.producer();
  const poll = fixture.call('GET', `${path}?after=${empty.body.nextCursor}&waitSeconds=280&types=command.ended,gap`);
  await append(producer, outputPayload(0, new Uint8Array(1)));
  await append(producer, { case: 'commandEnded', value: { outcome: 1, exitCode: 0, stdoutBytes: 1n } });
  const { items, nextCursor } = (await poll).body;
  expect(items.map((event: PublicEvent) => event.type)).toEqual(['command.ended']);
  expect((await fixture.call('GET', `${path}?after=${nextCursor}`)).body.items).toEqual([]);
});

test.each(['garbage', '-', 'zzzzzzzz-1', '1-zzzzzzzzzzz-2'])(
  'the cursor %s is refused, by page and by stream',
  async (after) => {
    const { id } = (await makeSession(fixture)).document;
    const accepts = ['application/json', 'text/event-stream'];
    for (const accept of accepts) {
      const answer = await fixture.call('GET', `/v1/sessions/${id}/events?after=${after}`, undefined, { accept });
      expect(answer.body).toMatchObject({ status: 400, code: 'cursor_invalid' });
    }
  },
);

test('a cursor of the stream before its end is taken, one behind its end or before its beginning is not', async () => {
  const session = await makeSession(fixture);
  await publish(session, 1, 3);
  const { lastCursor } = (await fixture.call('GET', `/v1/sessions/${session.document.id}`)).body;
  const [epoch] = lastCursor.split('-');
  const path = `/v1/sessions/${session.document.id}/events?after=${epoch}`;
  expect((await fixture.call('GET', `${path}-0`)).body.items).toHaveLength(3);
  for (const unknown of [`${epoch}-zzzzzz`, '0-0', '1-1', 'zzzzzzzzz-0']) {
    const answer = await fixture.call('GET', `/v1/sessions/${session.document.id}/events?after=${unknown}`);
    expect(answer.body.code).toBe('cursor_invalid');
  }
});

test('what fills a hole is once in every way of reading, and a cursor within it goes on behind it', async () => {
  const session = await makeSession(fixture);
  const { id } = session.document;
  const path = `/v1/sessions/${id}/events`;
  const producer = session.producer();
  const other = session.producer();
  for (let index = 0; index < 2; index++) await append(producer, outputPayload(index * 10, new Uint8Array(10)));
  const cut = new AbortController();
  const live = readStream(fixture, id, { signal: cut.signal });
  const followed: PublicEvent[] = [];
  for (let count = 0; count < 2; count++) followed.push((await live.next()).value!);
  await append(other, outputPayload(0, new Uint8Array(10)));
  followed.push((await live.next()).value!);
  const { nextCursor } = (await fixture.call('GET', path)).body;
  const poll = fixture.call('GET', `${path}?after=${nextCursor}&waitSeconds=280&limit=1`);
  // As if the stream had lost numbers 3 to 5.
  Object.assign(producer.state, { number: 5 });
  await append(producer, outputPayload(50, new Uint8Array(10)));
  await append(producer, outputPayload(60, new Uint8Array(10)));
  for (let count = 0; count < 3; count++) followed.push((await live.next()).value!);
  cut.abort();
  expect(followed.map(({ type }) => type)).toEqual([
    ...Array.from({ length: 3 }, () => 'command.output'),
    'gap',
    ...Array.from({ length: 2 }, () => 'command.output'),
  ]);
  const gap = followed[3]!;
  expect(gap.data).toMatchObject({
    fromNumber: 3,
    toNumber: 5,
    fromPosition: 20,
    toPosition: 50,
    reason: 'stream_lost',
  });
  expect((await fixture.call('GET', path)).body.items).toEqual(followed);
  const polled = (await poll).body;
  expect(polled.items).toEqual([gap]);
  expect((await fixture.call('GET', `${path}?after=${polled.nextCursor}`)).body.items).toEqual(followed.slice(4));
  expect(await readEvents(fixture, id, 2, gap.cursor)).toEqual(followed.slice(4));
  const paged: PublicEvent[] = [];
  for (let after = '', complete = false; !complete; ) {
    const page = await fixture.call('GET', `${path}?limit=1${after && `&after=${after}`}`);
    paged.push(...page.body.items);
    ({ nextCursor: after, complete } = page.body);
  }
  expect(paged).toEqual(followed);
});

test('a cursor of an earlier incarnation of the stream goes on behind it in the next one', async () => {
  const session = await makeSession(fixture);
  await publish(session, 1, 3);
  const path = `/v1/sessions/${session.document.id}/events`;
  const [first] = (await fixture.call('GET', path)).body.items;
  const jsm = await jetstreamManager(fixture.connection);
  const stream = eventStream(session.document.partition);
  await jsm.streams.delete(stream);
  await expect.poll(() => jsm.streams.info(stream).catch(() => undefined)).toBeDefined();
  await publish(session, 1, 1);
  const epochsBehind = async () => {
    const { items } = (await fixture.call('GET', `${path}?after=${first.cursor}`)).body;
    return items?.map(({ cursor }: PublicEvent) => parseCursor(cursor)!.epoch);
  };
  const { epoch } = parseCursor(first.cursor)!;
  await expect.poll(epochsBehind).toEqual([epoch, epoch, expect.toSatisfy((next: number) => next > epoch)]);
});

test('streams over their number are refused for now, until one of them is closed', async () => {
  const { document } = await makeSession(fixture);
  const open = async () => {
    const gone = new AbortController();
    const answer = await fetch(`${fixture.url}/v1/sessions/${document.id}/events`, {
      headers: { authorization: `Bearer ${fixture.key}`, accept: 'text/event-stream' },
      signal: gone.signal,
    });
    return { answer, gone };
  };
  const streams = await Promise.all(Array.from({ length: streamsMax }, open));
  expect(streams.map(({ answer }) => answer.status)).toEqual(streams.map(() => 200));
  const { answer } = await open();
  expect(await answer.json()).toMatchObject({ status: 429, code: 'rate_limited' });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await fixture.call('GET', `/v1/sessions/${document.id}/events`)).status).toBe(200);
  streams[0]!.gone.abort();
  await expect.poll(async () => (await open()).answer.status).toBe(200);
  for (const { gone } of streams) gone.abort();
});

test('a stream lives through a restart of NATS and misses nothing', async () => {
  const session = await makeSession(fixture);
  const producer = session.producer();
  const cut = new AbortController();
  const reader = readStream(fixture, session.document.id, { signal: cut.signal });
  const offsets: unknown[] = [];
  for (let index = 0; index < 20; index++) {
    await append(producer, outputPayload(index, new Uint8Array(1)));
    if (index === 0 || index === 12) offsets.push((await reader.next()).value?.data['offset']);
    if (index === 10) await fixture.nats.kill().then(() => fixture.nats.restart());
  }
  while (offsets.length < 20) offsets.push((await reader.next()).value?.data['offset']);
  cut.abort();
  expect(offsets).toEqual(Array.from({ length: 20 }, (_, index) => index));
});

test('a stream goes on live while the trace-store is down', async () => {
  const session = await makeSession(fixture);
  const producer = session.producer();
  const cut = new AbortController();
  const reader = readStream(fixture, session.document.id, { signal: cut.signal });
  await append(producer, outputPayload(0, new Uint8Array(1)));
  expect((await reader.next()).value?.data['offset']).toBe(0);
  await fixture.traceStore.kill();
  await append(producer, outputPayload(1, new Uint8Array(1)));
  expect((await reader.next()).value?.data['offset']).toBe(1);
  await fixture.traceStore.restart();
  cut.abort();
});
