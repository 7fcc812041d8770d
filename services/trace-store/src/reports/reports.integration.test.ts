// Reports on a real ClickHouse: as a slow count of the same events has it, from the projection, of one organization.

import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { eventSubject } from '@worktrail/contract/subjects';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { eventColumns } from '../event-row.ts';
import { applySchema } from '../schema.ts';
import {
  binaryRows,
  eventBytes,
  type Fixture,
  newSession,
  openFixture,
  publisher,
  queued,
  storedRow,
  type TestSession,
} from '../trace-store-fixture.ts';
import { answerReport, findReport } from './answer-report.ts';
import type { ReportQuestion } from './report.ts';

const dayMs = 86_400_000;
/** The time of an event of the fixture whose number is 0. */
const startMs = 1_790_000_000_000;

interface Call {
  session: TestSession;
  timeMs: number;
  model: string;
  input: number;
  output: number;
  cost: number;
}

const organization = newId('organization');
const projects = [newId('project'), newId('project')];
const sessions = Array.from({ length: 7 }, (_, index) => ({
  ...newSession(index === 6 ? newId('organization') : organization),
  projectId: projects[index % 2]!,
}));
const taskOf = (session: TestSession) => (session === sessions[0] ? '' : `tsk_${sessions.indexOf(session) % 3}`);
const calls = fc.sample(
  fc.record<Call>({
    session: fc.constantFrom(...sessions),
    timeMs: fc.integer({ min: startMs + 1, max: startMs + 5 * dayMs }),
    model: fc.constantFrom('a/big', "b/'small'", ''),
    input: fc.nat(100_000),
    output: fc.nat(1_000),
    // Of which any sum is exact.
    cost: fc.nat(640).map((part) => part / 64),
  }),
  { numRuns: 2_000, seed: 7 },
);

describe('usage', () => {
  let scratch: Scratch;
  let lifetime: Lifetime;
  let clickhouse: ClickHouse;

  beforeAll(async () => {
    scratch = await makeScratch('reports');
    lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
    clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
    await applySchema(clickhouse);
    const ingestedAt = new Date();
    const stored = calls.map(({ session, timeMs, model, input, output, cost }, index) => {
      const value = { model, inputTokens: BigInt(input), outputTokens: BigInt(output), costUsd: cost };
      const data = eventBytes(session, 'session', timeMs - startMs, { case: 'usage', value });
      const message = { subject: eventSubject(session, 'session'), sequence: index + 1, data };
      return storedRow(message, { task_id: taskOf(session), trial_id: '' }, ingestedAt);
    });
    const rows = binaryRows(eventColumns, stored, 1_000);
    // As where the answer of an insert was lost.
    for (const _ of [1, 2]) await clickhouse.insertBinary('events_v1', rows, 'token');
  });

  afterAll(async () => {
    await lifetime.close();
    await scratch.remove();
  });

  const question = (change: Partial<ReportQuestion>): ReportQuestion => ({
    ...{ organizationId: organization, projectId: '', groupBy: 'model' },
    ...change,
  });

  async function ask(change: Partial<ReportQuestion>): Promise<Record<string, unknown>[]> {
    const asked = question(change);
    const { rowsJson, truncated } = await answerReport(clickhouse, findReport('usage', asked.groupBy), asked);
    expect(truncated).toBe(false);
    return JSON.parse(rowsJson) as Record<string, unknown>[];
  }

  const keyOf: Record<string, (call: Call) => string> = {
    model: ({ model }) => model,
    project: ({ session }) => session.projectId,
    session: ({ session }) => session.sessionId,
    task: ({ session }) => taskOf(session),
    day: ({ timeMs }) => new Date(timeMs).toISOString().slice(0, 10),
  };

  function counted({ organizationId, projectId, from, to, groupBy }: ReportQuestion) {
    const asked = calls.filter(
      ({ session, timeMs }) =>
        session.organizationId === organizationId &&
        (projectId === '' || session.projectId === projectId) &&
        (!from || timeMs >= from.getTime()) &&
        (!to || timeMs < to.getTime()),
    );
    const sum = (some: readonly Call[], of: (call: Call) => number) => some.reduce((all, call) => all + of(call), 0);
    return [...Map.groupBy(asked, keyOf[groupBy]!)].map(([key, some]) => ({
      key,
      calls: some.length,
      inputTokens: sum(some, ({ input }) => input),
      outputTokens: sum(some, ({ output }) => output),
      cachedInputTokens: 0,
      costUsd: sum(some, ({ cost }) => cost),
    }));
  }

  const day = (number: number) => new Date(startMs + number * dayMs);

  test.each<[string, Partial<ReportQuestion>]>([
    ['all of it', {}],
    ['a time', { from: day(1), to: new Date(calls[0]!.timeMs) }],
    ['since then', { from: new Date(calls[1]!.timeMs) }],
    ['a project', { projectId: projects[1]! }],
    ['another organization', { organizationId: sessions[6]!.organizationId, to: day(2) }],
    ['a time without anything', { from: day(9) }],
  ])('of %s is what was told of each call, by every group', async (_, change) => {
    for (const groupBy of Object.keys(keyOf)) {
      const expected = counted(question({ ...change, groupBy }));
      const order =
        groupBy === 'day'
          ? expected.toSorted((a, b) => (a.key < b.key ? 1 : -1))
          : expected.toSorted((a, b) => b.costUsd - a.costUsd);
      expect(await ask({ ...change, groupBy })).toEqual(order);
    }
  });

  test('is read from the projection, with every condition and group', async () => {
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, project_id, session_id, epoch, sequence, type, time, data, ingested_at)
       SELECT '${newId('organization')}', 'p', toString(number % 1000), 2, number, ['usage', 'command.output', 'reasoning'][number % 3 + 1],
         toDateTime64('2026-10-01 00:00:00', 3, 'UTC') + number, '{}', now64(3, 'UTC') FROM numbers(200000)`,
    );
    for (const groupBy of Object.keys(keyOf)) {
      const asked = question({ groupBy, projectId: projects[0]!, from: day(1), to: day(3) });
      const { text } = findReport('usage', groupBy).statement(asked, 10);
      const plan = await clickhouse.rows<{ explain: string }>(`EXPLAIN projections = 1 ${text}`);
      expect(plan.map(({ explain }) => explain).join('\n')).toContain('by_type');
    }
  });
});

describe('of the service', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await openFixture('reports');
    await fixture.start();
  });
  afterAll(() => fixture.close());

  test('a report has what was published before it was asked for, and is of one organization', async () => {
    const [mine, theirs] = [newSession(), newSession()];
    for (const session of [mine, theirs]) {
      const publish = publisher(fixture.js, session);
      await publish('session', 1, {
        case: 'usage',
        value: { model: session.sessionId, inputTokens: 5n, costUsd: 0.5 },
      });
      await publish(newId('command'), 1, queued('true'));
    }
    const { organizationId } = mine;
    const from = timestampFromDate(new Date(startMs));
    const answer = await fixture.trace.report({ organizationId, name: 'usage', groupBy: 'model', from });
    expect(JSON.parse(answer.rowsJson)).toEqual([
      ...[{ key: mine.sessionId, calls: 1, inputTokens: 5, outputTokens: 0, cachedInputTokens: 0, costUsd: 0.5 }],
    ]);
  });

  test.each([
    ['name', { name: 'colours' }],
    ['group_by', { groupBy: "model' OR 1" }],
    ['project_id', { projectId: "x' OR 1" }],
    ['organization_id', { organizationId: '' }],
    ['to', { to: { seconds: 1n << 50n, nanos: 0 } }],
  ] as const)('what cannot be asked is refused by the name of the field: %s', async (field, change) => {
    const asked = { organizationId: organization, name: 'usage', groupBy: 'model', ...change };
    await expect(fixture.trace.report(asked as never)).rejects.toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: expect.stringMatching(`^${field}`),
    });
  });
});
