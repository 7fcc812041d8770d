// Reports on a real ClickHouse: as a slow count of the same events has it, from the projection, of one organization.

import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { eventTypes } from '@worktrail/contract/event-types';
import { newId } from '@worktrail/contract/ids';
import { eventSubject } from '@worktrail/contract/subjects';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { eventColumns } from '../ingest/event-row.ts';
import { parseEvent } from '../ingest/parse-event.ts';
import { binaryRows } from '../clickhouse/row-binary.ts';
import { applySchema } from '../clickhouse/schema.ts';
import { commandColumns, commandRow, sessionColumns, sessionRow } from '../ingest/summary-rows.ts';
import { type Fixture, newSession, openFixture, publisher, queued, storedRow } from '../trace-store-fixture.ts';
import { answerReport, findReport, reports } from './answer-report.ts';
import type { ReportQuestion } from './report.ts';
import { events, organization, projects, recount, sessions, startMs, taskOf } from './reports-fixture.ts';

const dayMs = 86_400_000;
const rowsMax = 1_000;
const intervals = ['none', 'hour', 'day', 'week', 'month'] as const;

describe('each report', () => {
  let scratch: Scratch;
  let lifetime: Lifetime;
  let clickhouse: ClickHouse;

  beforeAll(async () => {
    scratch = await makeScratch('reports');
    lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
    clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
    await applySchema(clickhouse);
    const ingestedAt = new Date();
    const messages = events.map(({ session, commandId, bytes }, index) => {
      const subject = eventSubject(session, commandId || 'session');
      return { subject, sequence: index + 1, data: bytes };
    });
    const stored = messages.map((message, index) =>
      storedRow(message, { task_id: taskOf(events[index]!.session), trial_id: '' }, ingestedAt),
    );
    const rows = binaryRows(eventColumns, stored, 1_000);
    // As where the answer of an insert was lost.
    for (const _ of [1, 2]) await clickhouse.insertBinary('events_v1', rows, 'token');
    const parsed = messages.map((message) => parseEvent(message));
    const commands = parsed.map(commandRow).filter((row) => row !== undefined);
    await clickhouse.insert('commands_v1', commandColumns, commands);
    const lists = parsed.map((event) => sessionRow(event, 1)).filter((row) => row !== undefined);
    await clickhouse.insert('sessions_v1', sessionColumns, lists);
  });

  afterAll(async () => {
    await lifetime.close();
    await scratch.remove();
  });

  const question = (change: Partial<ReportQuestion>): ReportQuestion => ({
    ...{ organizationId: organization, projectId: '', groupBy: 'all', interval: 'none' },
    ...change,
  });

  async function ask(name: string, asked: ReportQuestion): Promise<Record<string, unknown>[]> {
    const report = findReport(name, asked.groupBy, asked.interval);
    const { rowsJson, truncated } = await answerReport(clickhouse, report, asked, rowsMax);
    expect(truncated).toBe(false);
    return JSON.parse(rowsJson) as Record<string, unknown>[];
  }

  const day = (number: number) => new Date(startMs + number * dayMs);
  const sorted = (rows: object[]) => rows.map((row) => JSON.stringify(row)).toSorted();
  const all = [...reports].map(([name, { groups }]) => ({ name, groups }));

  test.each(all)('$name is what was told, whatever is asked of it', async ({ name, groups }) => {
    for (const change of [
      {},
      { from: day(1), to: new Date(events[500]!.timeMs) },
      { from: new Date(events[501]!.timeMs), projectId: projects[1]! },
      { organizationId: sessions.at(-1)!.organizationId, to: day(20) },
      { from: day(99) },
      { label: { name: "te'am" } },
      { label: { name: "te'am", value: 'a {b}' }, from: day(1) },
      { label: { name: 'other', value: '' } },
    ] satisfies Partial<ReportQuestion>[]) {
      for (const groupBy of groups) {
        const asked = question({ ...change, groupBy });
        expect(sorted(await ask(name, asked))).toEqual(sorted(recount(name, asked)));
      }
    }
  });

  test.each(all)('$name has a row for each interval that is not empty, the newest first', async ({ name, groups }) => {
    const { isList } = reports.get(name)!;
    for (const interval of intervals.slice(1)) {
      const asked = question({ interval, groupBy: groups[0]!, from: day(2), to: day(30) });
      if (isList) {
        await expect(ask(name, asked)).rejects.toThrow(/^\[invalid_argument\] interval/);
        continue;
      }
      const rows = await ask(name, asked);
      expect(sorted(rows)).toEqual(sorted(recount(name, asked)));
      const starts = rows.map(({ start }) => start as string);
      expect(starts).toEqual(starts.toSorted().reverse());
    }
  });

  test('what is asked for comes first, and an answer that is cut says so', async () => {
    const most: [string, string, string][] = [
      ['usage', 'session', 'costUsd'],
      ['command-failures', 'kind', 'failures'],
      ['slowest-commands', 'command', 'durationSeconds'],
      ['output-volume', 'session', 'outputBytes'],
      ['files-changed', 'path', 'changes'],
      ['files-read', 'path', 'reads'],
    ];
    for (const [name, groupBy, column] of most) {
      const asked = question({ groupBy });
      const report = findReport(name, groupBy, 'none');
      const { rowsJson, truncated } = await answerReport(clickhouse, report, asked, 2);
      expect(truncated).toBe(true);
      const most = recount(name, asked).map((row) => row[column] as number);
      const expected = most.toSorted((a, b) => b - a).slice(0, 2);
      expect((JSON.parse(rowsJson) as Record<string, number>[]).map((row) => row[column])).toEqual(expected);
    }
    const byDay = (await ask('usage', question({ groupBy: 'day' }))).map(({ key }) => key as string);
    expect(byDay).toEqual(byDay.toSorted().reverse());
  });

  test('each is read from the projection, by any group and interval', async () => {
    const types = eventTypes.map((type) => `'${type}'`).join(', ');
    await clickhouse.command(
      `INSERT INTO events_v1 (organization_id, project_id, session_id, epoch, sequence, type, time, data, ingested_at)
       SELECT '${organization}', '${projects[0]}', toString(number % 1000), 2, number, [${types}][number % ${eventTypes.length} + 1],
         toDateTime64('2026-10-01 00:00:00', 3, 'UTC') + number, '{}', now64(3, 'UTC') FROM numbers(200000)`,
    );
    for (const { name, groups } of all) {
      for (const groupBy of groups) {
        const interval = reports.get(name)!.isList ? 'none' : 'day';
        const asked = question({ groupBy, interval, projectId: projects[0]!, from: day(1), to: day(3) });
        const { text } = findReport(name, groupBy, interval).statement(asked, 10);
        const plan = (await clickhouse.rows<{ explain: string }>(`EXPLAIN projections = 1 ${text}`))
          .map(({ explain }) => explain)
          .join('\n');
        expect(plan, `${name} by ${groupBy}`).toContain('ReadFromMergeTree (by_type_v2)');
        expect(plan, `${name} by ${groupBy}`).not.toContain('.events_v1)');
      }
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
    ['interval', { interval: 'year' }],
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
