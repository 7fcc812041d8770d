// Statements of several organizations on a real ClickHouse, for which there are two places: one that asks for much waits for itself, and what we
// ask ourselves for nobody's.

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { SessionScopeSchema } from '@worktrail/proto/trace';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { type Fixture, newSession, openFixture, publisher, queued } from '../trace-store-fixture.ts';

let fixture: Fixture;
let lifetime: Lifetime;
let engine: ClickHouse;
const timeoutMs = 120_000;

beforeAll(async () => {
  fixture = await openFixture('fairness');
  await fixture.start({ querySecondsMax: 20 });
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  engine = await openClickHouse(fixture.config.clickhouse, lifetime);
});
afterAll(async () => {
  await lifetime?.close();
  await fixture?.close();
});

const numbers = (count: number) => `(SELECT arrayJoin(range(${count})) AS x)`;
/** Longer than the statements of others take together, and shorter than they wait for each other. */
const slow = `SELECT count() AS slow FROM ${numbers(2_000_000)} AS a, ${numbers(2_000_000)} AS b`;
/** Within one call of a function nothing is looked at: it goes on when it is killed. */
const deaf = "SELECT position(repeat('a', 600000), concat(repeat('a', 100000), 'b')) AS deaf";

const ask = (organizationId: string, sql: string, signal?: AbortSignal) =>
  fixture.impatient.query({ organizationId, sql }, { timeoutMs, ...(signal && { signal }) });

/** What has ended of it. */
function hog(statements: readonly string[], leaves: AbortSignal) {
  const organizationId = newId('organization');
  const ended: unknown[] = [];
  const asked = statements.map((sql) =>
    ask(organizationId, sql, leaves).then(
      () => ended.push('answered'),
      (error: unknown) => ended.push(ConnectError.from(error).code),
    ),
  );
  return { organizationId, ended, all: () => Promise.all(asked) };
}

async function isRunning(name: string, times = 1): Promise<void> {
  const sql = `SELECT count() AS n FROM system.processes WHERE query LIKE '%${name}%' AND query NOT LIKE '%system.processes%'`;
  await expect.poll(async () => Number((await engine.rows<{ n: number | string }>(sql))[0]!.n)).toBe(times);
}

test('one that asks for many slow statements leaves a place to others', async () => {
  const leaving = new AbortController();
  const one = hog(
    Array.from({ length: 6 }, () => slow),
    leaving.signal,
  );
  await isRunning('AS slow');
  for (let other = 0; other < 5; other++) {
    expect((await ask(newId('organization'), 'SELECT 1 AS one')).rowsJson).toBe('[{"one":1}]');
  }
  expect(one.ended).toEqual([]);
  leaving.abort();
  await one.all();
});

test('nor does it take both by leaving what cannot be killed', async () => {
  const leaving = new AbortController();
  const one = hog([deaf], leaving.signal);
  await isRunning('AS deaf');
  leaving.abort();
  await one.all();
  const still = new AbortController();
  const more = [deaf, deaf].map((sql) => ask(one.organizationId, sql, still.signal).catch(() => {}));
  let isAnswered = false;
  const own = ask(one.organizationId, 'SELECT 1', still.signal).then(
    () => (isAnswered = true),
    () => {},
  );
  for (let other = 0; other < 5; other++) await ask(newId('organization'), 'SELECT 1');
  expect(isAnswered).toBe(false);
  still.abort();
  await Promise.all([...more, own]);
});

test('more than may wait are refused at once, by what they are over, and the others are answered', async () => {
  const organizationId = newId('organization');
  const gone = new AbortController();
  const first = ask(organizationId, slow, gone.signal);
  first.catch(() => {});
  await isRunning('AS slow');
  const refused: unknown[] = [];
  const asked = Array.from({ length: 17 }, async (_, n) => {
    try {
      return (await ask(organizationId, `SELECT ${n} AS n`)).rowsJson;
    } catch (error) {
      refused.push(error);
      return 'refused';
    }
  });
  await expect.poll(() => refused.length).toBe(2);
  for (const error of refused) {
    expect(error).toMatchObject({ code: Code.Aborted, rawMessage: expect.stringContaining('15 wait already') });
  }
  gone.abort();
  const answers = await Promise.all(asked);
  const expected = answers.map((answer, n) => (answer === 'refused' ? answer : `[{"n":${n}}]`));
  expect(answers).toEqual(expected);
  expect(refused).toHaveLength(2);
});

test('two that leave what cannot be killed take no place of reports, searches, exports or pages, nor of what is stored', async () => {
  const session = newSession();
  const { organizationId, projectId } = session;
  const publish = publisher(fixture.js, session);
  await publish('session', 1, { case: 'sessionCreated', value: { title: 'of others' } });
  const leaving = new AbortController();
  const hogs = [hog([deaf], leaving.signal), hog([deaf], leaving.signal)];
  await isRunning('AS deaf', 2);
  leaving.abort();
  await Promise.all(hogs.map(({ all }) => all()));
  let isAnswered = false;
  const third = ask(organizationId, 'SELECT 1 AS one').then(({ rowsJson }) => {
    isAnswered = true;
    return rowsJson;
  });
  const command = newId('command');
  await publish(command, 1, queued('while both places are taken'));
  const page = { scope: create(SessionScopeSchema, session), limit: 10 };
  await expect.poll(async () => (await fixture.trace.listEvents(page)).events.length).toBe(2);
  await fixture.trace.report({ organizationId, name: 'sessions', groupBy: 'project' });
  const { hits } = await fixture.trace.search({ organizationId, q: 'places' });
  expect(hits.map(({ commandId }) => commandId)).toEqual([command]);
  expect((await fixture.trace.exportPart({ organizationId, projectId, of: 'events' })).rows).toBe(2n);
  await isRunning('AS deaf', 2);
  expect(isAnswered).toBe(false);
  expect(await third).toBe('[{"one":1}]');
}, 120_000);
