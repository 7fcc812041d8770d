// Ingest under kills, restarts, redelivery and poison: each event stored once, in order, whatever dies.

import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { newId } from '@worktrail/contract/ids';
import { deadLetterStream, eventStream, eventSubject } from '@worktrail/contract/subjects';
import { type ProducerRef, createProducer, recoverProducer } from '@worktrail/runtime/event-producer';
import { createLogger } from '@worktrail/runtime/log';
import { createTraceClient, type TraceClient } from '@worktrail/runtime/trace-client';
import { Stream } from '@worktrail/proto/event';
import { SessionScopeSchema } from '@worktrail/proto/trace';
import { freePort, type ServerProcess, startProcess } from '@worktrail/testing/server-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ended,
  eventBytes,
  type Fixture,
  internalToken,
  newSession,
  openFixture,
  output,
  patient,
  publisher,
  queued,
  type TestSession,
} from '../trace-store-fixture.ts';

let fixture: Fixture;
const log = createLogger({ service: 'test', level: 'silent' });

beforeEach(async () => {
  fixture = await openFixture('crash');
});

afterEach(() => fixture.close());

const scopeOf = (session: TestSession) => create(SessionScopeSchema, session);

/** The service as its own process, on the fixture's NATS and directory. */
async function startServiceProcess(port: number): Promise<ServerProcess> {
  const env = {
    ...process.env,
    WORKTRAIL_CLUSTER_ID: 'test',
    WORKTRAIL_HOST: '127.0.0.1',
    WORKTRAIL_PORT: String(port),
    WORKTRAIL_INTERNAL_TOKEN: internalToken,
    WORKTRAIL_NATS_URL: fixture.nats.url,
    WORKTRAIL_TEMPORAL_ADDRESS: '127.0.0.1:1',
    WORKTRAIL_CLICKHOUSE_PATH: `${fixture.path}/clickhouse`,
  };
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status === 200;
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  return startProcess(process.execPath, [main], { logPath: `${fixture.path}/trace-store.log`, ready, env });
}

async function wholeHistory(trace: TraceClient, session: TestSession) {
  const events = [];
  let after: { epoch: bigint; sequence: bigint } | undefined;
  for (;;) {
    const page = await trace.listEvents({ scope: scopeOf(session), after, limit: 300 });
    events.push(...page.events);
    if (page.complete) return events;
    after = page.next;
  }
}

test('every event is there once and in order after three kills between insert and acknowledgement', async () => {
  const port = await freePort();
  const trace = patient(createTraceClient(`http://127.0.0.1:${port}`, internalToken));
  let service = await startServiceProcess(port);
  const sessions = [newSession(), newSession()];
  let publishing = true;
  let published = 0;
  const publishAll = (async () => {
    const producers = sessions.map((session) => publisher(fixture.js, session));
    while (publishing) {
      published++;
      await Promise.all(
        producers.map((publish) =>
          publish('session', published, { case: 'sessionBusy', value: { commandId: `${published}` } }),
        ),
      );
    }
  })();
  for (let kills = 0; kills < 3; kills++) {
    // As soon as more rows are visible: their acknowledgement, and the next insert, are under way.
    const [first] = sessions;
    const seen = (await trace.listEvents({ scope: scopeOf(first!), noBarrier: true, limit: 1000 })).next;
    for (let next = seen; next?.sequence === seen?.sequence; ) {
      next = (await trace.listEvents({ scope: scopeOf(first!), after: seen, noBarrier: true, limit: 1000 })).next;
    }
    await service.kill();
    service = await startServiceProcess(port);
  }
  publishing = false;
  await publishAll;
  for (const session of sessions) {
    const events = await wholeHistory(trace, session);
    expect(events.map(({ event }) => Number(event!.number))).toEqual(
      Array.from({ length: published }, (_, i) => i + 1),
    );
    const sequences = events.map(({ cursor }) => Number(cursor!.sequence));
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
  }
  const status = await trace.getStatus({});
  expect(Number(status.partitions[0]!.stored!.sequence)).toBe(2 * published);
  for (const { organizationId } of sessions) {
    const totals = async () =>
      JSON.parse((await trace.query({ organizationId, sql: 'SELECT events FROM session_totals' })).rowsJson);
    await expect.poll(totals, { timeout: 60_000 }).toEqual([{ events: published }]);
  }
  await service.stop();
});

test('a second process on the same directory is refused and says why', async () => {
  const service = await startServiceProcess(await freePort());
  await expect(startServiceProcess(await freePort())).rejects.toThrow(/ended while starting/);
  const text = await (await import('node:fs/promises')).readFile(`${fixture.path}/trace-store.log`, 'utf8');
  expect(text).toContain('another trace-store may be running on it');
  await service.stop();
});

test('a restart on the same directory goes on where it was, and drops what producers send again', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  for (let number = 1; number <= 5; number++) await publish('session', number, { case: 'sessionBusy', value: {} });
  expect(await wholeHistory(fixture.trace, session)).toHaveLength(5);
  await fixture.stop();
  for (let number = 4; number <= 8; number++) await publish('session', number, { case: 'sessionBusy', value: {} });
  await fixture.start();
  const numbers = (await wholeHistory(fixture.trace, session)).map(({ event }) => Number(event!.number));
  expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await metric('duplicates_total')).toBe(2);
});

test('what cannot be stored goes to the dead letters with its reason, and what follows is stored', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const other = newSession();
  const subject = eventSubject(session, 'session');
  await publish('session', 1, { case: 'sessionBusy', value: {} });
  const poison = [
    Buffer.from('not protobuf at all \xff\xff'),
    eventBytes(other, 'session', 1, { case: 'sessionBusy', value: {} }),
    eventBytes(session, 'another', 1, { case: 'sessionBusy', value: {} }),
    eventBytes(session, 'session', 0, { case: 'sessionBusy', value: {} }),
    eventBytes(session, 'session', 2, { case: undefined } as never),
    new Uint8Array(0),
  ];
  for (const bytes of poison) await fixture.js.publish(subject, bytes);
  await fixture.js.publish('worktrail.events.0.short', poison[1]!);
  await publish('session', 2, { case: 'sessionBusy', value: {} });
  expect((await wholeHistory(fixture.trace, session)).map(({ event }) => Number(event!.number))).toEqual([1, 2]);
  const status = await fixture.trace.getStatus({});
  expect(status.partitions[0]!.deadLetters).toBe(7n);
  const letter = await fixture.jsm.streams.getMessage(deadLetterStream, { seq: 2 });
  expect(letter!.header.get('Worktrail-Subject')).toBe(subject);
  expect(letter!.header.get('Worktrail-Reason')).toMatch(/organization is not the one in the subject/);
  expect(Buffer.from(letter!.data).equals(poison[1]!)).toBe(true);
  await fixture.start();
  await publish('session', 3, { case: 'sessionBusy', value: {} });
  expect(await wholeHistory(fixture.trace, session)).toHaveLength(3);
  expect((await fixture.trace.getStatus({})).partitions[0]!.deadLetters).toBe(7n);
});

test('producers go on after what they published was purged from the stream', async () => {
  await fixture.start({
    streams: { ...fixture.config.streams, tailMessages: 0, settleSeconds: 0, eventBytesMax: 2 * 1024 * 1024 },
  });
  const session = newSession();
  const producerId = newId('command');
  const ref: ProducerRef = { ...session, generation: 1, producer: producerId, signal: AbortSignal.timeout(240_000) };
  const deps = { js: fixture.js, jsm: fixture.jsm, trace: fixture.trace, log };
  let producer = createProducer(deps, ref);
  const actor = { kind: 'system', id: 'runner' } as const;
  const hash = createHash('sha256');
  await producer.append({ time: new Date(), actor, payload: queued('long') });
  // More than twice what the stream holds: the producer is refused for space, and waits for the purge.
  for (let chunk = 0; chunk < 80; chunk++) {
    const bytes = randomBytes(60_000);
    hash.update(bytes);
    if (chunk === 40) {
      await empty();
      const state = await recoverProducer(deps, ref);
      expect(state).toMatchObject({ number: 41, sequence: 0, stdoutOffset: 2_400_000, position: 2_400_000 });
      producer = createProducer(deps, ref, state);
    }
    const { stdoutOffset, position } = producer.state;
    await producer.append({ time: new Date(), actor, payload: output('stdout', stdoutOffset, position, bytes) });
  }
  await empty();
  await producer.append({ time: new Date(), actor, payload: ended(0, 4_800_000, 0) });
  const read = createHash('sha256');
  for (let offset = 0n, complete = false; !complete; ) {
    const request = { scope: scopeOf(session), commandId: producerId, stream: Stream.STDOUT, offset, limit: 2_000_000 };
    const part = await fixture.trace.readOutput(request, { timeoutMs: 20_000 });
    read.update(part.bytes);
    offset = part.nextOffset;
    complete = part.complete;
  }
  expect(read.digest('hex')).toBe(hash.digest('hex'));
  expect(await metric('holes_total')).toBe(0);
});

test('producers that a full stream refused wait, and when it is drained every event is there once, in order', async () => {
  const streams = { ...fixture.config.streams, tailMessages: 0, settleSeconds: 0, eventBytesMax: 1024 * 1024 };
  await fixture.start({ streams });
  await fixture.stop();
  const session = newSession();
  const deps = { js: fixture.js, jsm: fixture.jsm, trace: fixture.trace, log };
  const actor = { kind: 'system', id: 'runner' } as const;
  const commandIds = Array.from({ length: 3 }, () => newId('command')).sort();
  const chunks = 12;
  const printed = new Map(commandIds.map((id) => [id, randomBytes(chunks * 60_000)]));
  const producing = commandIds.map(async (id) => {
    const ref: ProducerRef = { ...session, generation: 1, producer: id, signal: AbortSignal.timeout(240_000) };
    const producer = createProducer(deps, ref);
    await producer.append({ time: new Date(), actor, payload: queued(id) });
    for (let at = 0; at < chunks * 60_000; at += 60_000) {
      const payload = output('stdout', at, at, printed.get(id)!.subarray(at, at + 60_000));
      await producer.append({ time: new Date(), actor, payload });
    }
    await producer.append({ time: new Date(), actor, payload: ended(0, chunks * 60_000, 0) });
  });
  // Twice as much as it holds: it has refused some by now, and nobody reads.
  await expect
    .poll(async () => (await fixture.jsm.streams.info(eventStream(0))).state.bytes)
    .toBeGreaterThan(1024 * 1024 - 62_000);
  await fixture.start({ streams });
  deps.trace = fixture.trace;
  await Promise.all(producing);
  await expectEachOnce(session, new Map(commandIds.map((id) => [id, chunks + 2])));
  for (const id of commandIds) {
    const request = { scope: scopeOf(session), commandId: id, stream: Stream.STDOUT, limit: 4_000_000 };
    const part = await fixture.trace.readOutput(request);
    expect(part).toMatchObject({ complete: true, gaps: [] });
    expect(Buffer.from(part.bytes).equals(printed.get(id)!)).toBe(true);
  }
  const { commands } = await fixture.trace.listCommands({ scope: scopeOf(session) });
  expect(commands.map(({ commandId, stdoutBytes }) => [commandId, Number(stdoutBytes)])).toEqual(
    commandIds.map((id) => [id, chunks * 60_000]),
  );
});

test('what is delivered twice, before and after a restart, is once in every answer', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  const commandId = newId('command');
  const publishAll = async () => {
    await publish(commandId, 1, queued('echo'));
    await publish(commandId, 2, { case: 'commandStarted', value: {} });
    await publish(commandId, 3, output('stdout', 0, 0, Buffer.from('once ')));
    await publish(commandId, 4, output('stderr', 0, 5, Buffer.from('only')));
    await publish(commandId, 5, ended(0, 5, 4));
  };
  await publishAll();
  await publishAll();
  await wholeHistory(fixture.trace, session);
  await fixture.start();
  await publishAll();
  await expectEachOnce(session, new Map([[commandId, 5]]));
  const scope = scopeOf(session);
  const part = await fixture.trace.readOutput({ scope, commandId, stream: Stream.UNSPECIFIED, limit: 100 });
  expect(Buffer.from(part.bytes).toString()).toBe('once only');
  const { commands } = await fixture.trace.listCommands({ scope });
  expect(commands).toMatchObject([{ commandId, stdoutBytes: 5n, stderrBytes: 4n, ended: { exitCode: 0 } }]);
});

/** By page and by SQL. */
async function expectEachOnce(session: TestSession, counts: ReadonlyMap<string, number>): Promise<void> {
  const events = await wholeHistory(fixture.trace, session);
  for (const [producer, count] of counts) {
    const numbers = events
      .filter(({ event }) => event!.producer === producer)
      .map(({ event }) => Number(event!.number));
    expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  }
  const { organizationId } = session;
  const sql = async (text: string) => JSON.parse((await fixture.trace.query({ organizationId, sql: text })).rowsJson);
  const found = await sql(
    'SELECT producer, count() AS c, uniqExact(number) AS n, max(number) AS m FROM events GROUP BY producer',
  );
  const told = found.map(({ producer, c, n, m }: Record<string, string>) => [
    producer,
    Number(c),
    Number(n),
    Number(m),
  ]);
  expect(new Map(told.map(([producer, ...rest]: unknown[]) => [producer, rest]))).toEqual(
    new Map([...counts].map(([producer, count]) => [producer, [count, count, count]])),
  );
  const [commands] = await sql("SELECT count() AS c, countIf(outcome = 'exited') AS e FROM commands");
  expect([Number(commands.c), Number(commands.e)]).toEqual([counts.size, counts.size]);
}

test('a stream that is lost while the service runs is made anew, begins a new epoch, and the history goes on', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  await publish('session', 1, { case: 'sessionBusy', value: {} });
  const [first] = await wholeHistory(fixture.trace, session);
  await fixture.jsm.streams.delete(eventStream(0));
  await publishUntilTaken(() => publish('session', 2, { case: 'sessionBusy', value: {} }));
  await expect.poll(() => wholeHistory(fixture.trace, session).catch(() => [])).toHaveLength(2);
  const [, second] = await wholeHistory(fixture.trace, session);
  expect(Number(second!.event!.number)).toBe(2);
  expect(second!.cursor!.sequence).toBe(1n);
  expect(second!.cursor!.epoch > first!.cursor!.epoch).toBe(true);
});

test('while NATS is away questions are refused quickly, and everything goes on when it is back', async () => {
  await fixture.start();
  const session = newSession();
  const publish = publisher(fixture.js, session);
  await publish('session', 1, { case: 'sessionBusy', value: {} });
  expect(await wholeHistory(fixture.trace, session)).toHaveLength(1);
  await fixture.nats.kill();
  // Once a busy machine may be late by itself.
  const tookMs: number[] = [];
  do {
    const began = performance.now();
    await expect(fixture.impatient.listEvents({ scope: scopeOf(session) })).rejects.toThrow(/unavailable/);
    tookMs.push(performance.now() - began);
  } while (tookMs.at(-1)! >= 5_000 && tookMs.length < 3);
  expect(tookMs.at(-1)).toBeLessThan(5_000);
  const report = await fetch(`${fixture.address()}/readyz`);
  expect(report.status).toBe(503);
  expect(await report.json()).toMatchObject({ parts: { nats: { ok: false }, clickhouse: { ok: true } } });
  await fixture.nats.restart();
  await publishUntilTaken(() => publish('session', 2, { case: 'sessionBusy', value: {} }));
  await expect.poll(() => wholeHistory(fixture.trace, session).catch(() => [])).toHaveLength(2);
  await expect.poll(async () => (await fetch(`${fixture.address()}/readyz`)).status).toBe(200);
});

test('throughput is printed', async () => {
  const session = newSession();
  await fixture.start();
  await fixture.stop();
  const publish = publisher(fixture.js, session);
  const count = 3_000;
  const bytes = Buffer.alloc(200, 'x');
  for (let start = 0; start < count; start += 500) {
    await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        publish('cmd_x', start + i + 1, output('stdout', (start + i) * 200, (start + i) * 200, bytes)),
      ),
    );
  }
  const began = performance.now();
  await fixture.start();
  await expect
    .poll(async () => (await fixture.trace.getStatus({})).partitions[0]!.stored?.sequence, {
      interval: 50,
    })
    .toBe(BigInt(count));
  const seconds = (performance.now() - began) / 1000;
  console.log(`ingest: ${Math.round(count / seconds)} events/s of 200 bytes, start included (${seconds.toFixed(1)} s)`);
});

/** Waits until the stream holds nothing. */
async function empty(): Promise<void> {
  await expect.poll(async () => (await fixture.jsm.streams.info(eventStream(0))).state.messages).toBe(0);
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${fixture.address()}/metrics`)).text();
  const line = text
    .split('\n')
    .find((candidate) => candidate.startsWith(`worktrail_trace_store_${name}{`) && candidate.includes(eventStream(0)));
  return Number(line?.split(' ').at(-1) ?? 0);
}

async function publishUntilTaken(publish: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await publish();
      return;
    } catch (error) {
      if (attempt === 240) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}
