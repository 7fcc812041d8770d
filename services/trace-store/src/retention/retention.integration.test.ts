// What is older than an organization keeps it goes, by a clock that the test has; and nothing begins again because of it.

import { create } from '@bufbuild/protobuf';
import { Code, type ConnectError } from '@connectrpc/connect';
import type { KV } from '@nats-io/kv';
import { formatCursor } from '@worktrail/contract/cursor';
import type { SessionState } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { type RetentionCeilings, type RetentionDocument, retentionKey } from '@worktrail/contract/retention';
import { buckets, sessionKey } from '@worktrail/contract/subjects';
import { Stream } from '@worktrail/proto/event';
import { type ListEventsResponse, SessionScopeSchema } from '@worktrail/proto/trace';
import { openBucket } from '@worktrail/runtime/buckets';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openClickHouse } from '../clickhouse/store.ts';
import { ownStore } from '../ingest/ingest-lease.ts';
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
import { createTotals } from '../totals/totals.ts';
import { expendable, type SessionFacts } from './expire.ts';
import { runRetention } from './retention-job.ts';

const day = 24 * 3_600_000;
const log = createLogger({ service: 'test', level: 'silent' });
const text = Buffer.from('some output\n');
let fixture: Fixture;
let configuration: KV;
let sessions: KV;

beforeEach(async () => {
  fixture = await openFixture('retention');
  await fixture.start();
  configuration = await openBucket(fixture.connection, buckets.configuration);
  sessions = await openBucket(fixture.connection, buckets.sessions);
});
afterEach(() => fixture.close());

const noCeilings: RetentionCeilings = { eventsDaysMax: null, outputDaysMax: null, auditDaysMax: null };

/** As it would run so many days from now. The store is stopped meanwhile: a directory has one process. */
async function runAfter(days: number, ceilings = noCeilings): Promise<void> {
  await fixture.stop();
  const lifetime = createLifetime(log);
  const clickhouse = await openClickHouse({ kind: 'embedded', path: `${fixture.path}/clickhouse` }, lifetime);
  const now = () => new Date(Date.now() + days * day);
  const totals = createTotals({ clickhouse, right: ownStore, now });
  const deps = { clickhouse, configuration, sessions, ceilings, right: ownStore, totals, recounted: new Set<string>() };
  await runRetention({ ...deps, now, log });
  await lifetime.close();
  await fixture.start();
}

async function say(organizationId: string, days: Partial<RetentionDocument>): Promise<void> {
  const said = { organizationId, updatedAt: '', eventsDays: null, outputDays: null, auditDays: null, ...days };
  await configuration.put(retentionKey(organizationId), JSON.stringify(said));
}

/** With one command that has ended. */
async function makeSession(organizationId: string, state: SessionState, ancestors: string[] = []) {
  const session = newSession(organizationId);
  const command = newId('command');
  const publish = publisher(fixture.js, session);
  await publish('session', 1, { case: 'sessionCreated', value: { title: 'One' } });
  await publish(command, 1, queued('true'));
  await publish(command, 2, output('stdout', 0, 0, text));
  await publish(command, 3, ended(0, text.length, 0));
  const inherited = ancestors.map((sessionId) => ({ sessionId, upTo: '1-1' }));
  const document = { id: session.sessionId, organizationId, state, version: 1, inherited };
  await sessions.put(sessionKey(organizationId, session.sessionId), JSON.stringify(document));
  await history(session);
  return { session, command };
}

const scopeOf = (session: TestSession) => create(SessionScopeSchema, session);
const history = (session: TestSession, after?: ListEventsResponse['next']) =>
  fixture.trace.listEvents({ scope: scopeOf(session), limit: 100, ...(after && { after }) });
const mark = (session: TestSession, producer: string) =>
  fixture.trace.getProducerMark({ scope: scopeOf(session), producer });

test('the history of an archived session goes as a whole when it is old, of one that is not archived never', async () => {
  const organizationId = newId('organization');
  const archived = await makeSession(organizationId, 'archived');
  const live = await makeSession(organizationId, 'hibernated');
  const other = await makeSession(newId('organization'), 'archived');
  const before = { live: await history(live.session), other: await history(other.session) };
  const { next } = await history(archived.session);
  await say(organizationId, { eventsDays: 30 });

  await runAfter(29);
  expect((await history(archived.session)).events).toHaveLength(4);
  await runAfter(31);
  expect(await history(live.session)).toEqual(before.live);
  expect(await history(other.session)).toEqual(before.other);

  const refusal = await history(archived.session).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: Code.OutOfRange });
  const oldest = (refusal as ConnectError).metadata.get('worktrail-oldest-cursor');
  const [epoch, sequence] = oldest!.split('-').map((part) => Number.parseInt(part, 36)) as [number, number];
  expect(oldest).toBe(formatCursor({ epoch, sequence }));
  const after = { epoch: BigInt(epoch), sequence: BigInt(sequence), fill: 0n };
  expect(await history(archived.session, after as typeof next)).toMatchObject({ events: [], complete: true });

  const sql = 'SELECT session_id, events FROM session_totals ORDER BY session_id';
  const { rowsJson } = await fixture.trace.query({ organizationId, sql });
  const counted = Object.fromEntries(
    JSON.parse(rowsJson).map((row: { session_id: string; events: string }) => Object.values(row)),
  );
  expect(counted).toEqual({ [live.session.sessionId]: 4 });

  const { kinds } = await fixture.trace.getRetention({ organizationId });
  expect(kinds.find(({ kind }) => kind === 'events')).toMatchObject({ removed: 4n });
  expect(kinds.find(({ kind }) => kind === 'output')).toMatchObject({ oldest: { seconds: expect.any(BigInt) } });
});

test('no producer begins again, and no stream a new epoch, though the newest of all that was stored went', async () => {
  const organizationId = newId('organization');
  const live = await makeSession(organizationId, 'hibernated');
  const archived = await makeSession(organizationId, 'archived');
  const position = async () => {
    await history(live.session);
    return (await fixture.trace.getStatus({})).partitions[0]!.stored;
  };
  const before = await position();
  await say(organizationId, { eventsDays: 1 });
  await runAfter(2);
  expect(await position()).toEqual(before);
  expect(await mark(archived.session, archived.command)).toMatchObject({ number: 3n, ended: true });
  expect(await mark(archived.session, 'session')).toMatchObject({ number: 1n, ended: true });
  expect(await mark(archived.session, newId('command'))).toMatchObject({ number: 0n, ended: false });

  // What comes again is what was there; what is new in a session that is not archived is stored.
  await publisher(fixture.js, archived.session)(archived.command, 3, ended(0, text.length, 0));
  await publisher(fixture.js, live.session)('session', 2, { case: 'sessionBusy', value: {} });
  expect((await history(live.session)).events).toHaveLength(5);
  await expect(fixture.impatient.listEvents({ scope: scopeOf(archived.session), limit: 9 })).rejects.toThrow(
    /no longer kept/,
  );
  expect((await fixture.trace.getStatus({})).partitions[0]).toMatchObject({ gaps: 0n, deadLetters: 0n });
});

test('output goes before the events, of commands that have ended, and what is missing is named as a gap', async () => {
  const organizationId = newId('organization');
  const { session, command } = await makeSession(organizationId, 'ready');
  const running = newId('command');
  await publisher(fixture.js, session)(running, 1, queued('sleep 900'));
  await publisher(fixture.js, session)(running, 2, output('stdout', 0, 0, text));
  await history(session);
  const read = (commandId: string) =>
    fixture.trace.readOutput({
      scope: scopeOf(session),
      commandId,
      stream: Stream.UNSPECIFIED,
      offset: 0n,
      limit: 1_000,
    });
  await runAfter(8, { ...noCeilings, outputDaysMax: 7 });
  expect(await read(command)).toMatchObject({
    ...{ complete: true, nextOffset: BigInt(text.length) },
    gaps: [{ fromOffset: 0n, toOffset: BigInt(text.length) }],
  });
  expect(Buffer.from((await read(running)).bytes)).toEqual(text);
  expect((await history(session)).events).toHaveLength(6);
});

test('an archived session stays while one that is not archived goes on with its history', () => {
  const facts = (id: string, state: SessionState, ancestors: string[] = []): SessionFacts => ({
    ...{ id, organizationId: 'org', state, ancestors },
  });
  const all = [
    ...[facts('old', 'archived'), facts('parent', 'archived'), facts('fork', 'hibernated', ['parent'])],
    ...[facts('failed', 'failed'), facts('gone', 'archived', ['old']), facts('ready', 'ready')],
  ];
  expect(expendable(all, 'org')).toEqual(['old', 'gone']);
  expect(expendable(all, 'other')).toEqual([]);
});
