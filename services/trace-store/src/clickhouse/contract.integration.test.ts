// The contract of contract.ts, asked in process and, by the adapter for a server, of the endpoint of a real gateway: each answer is the same.
//
// The store's own statements name its tables, which nobody may over the endpoint. For it each table is written as what the views tell of it.

import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventSubject } from '@worktrail/contract/subjects';
import { newId } from '@worktrail/contract/ids';
import { EventSchema } from '@worktrail/proto/event';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { freePort, type ServerProcess, startProcess } from '@worktrail/testing/server-process';
import { startTemporalServer, type TemporalServer } from '@worktrail/testing/temporal-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventColumns } from '../ingest/event-row.ts';
import { parseEvent } from '../ingest/parse-event.ts';
import {
  commandColumns,
  commandRow,
  sessionColumns,
  sessionListColumns,
  sessionListRows,
  sessionRow,
} from '../ingest/summary-rows.ts';
import { viewDefinitions } from '../query/views.ts';
import { events, organization, taskOf } from '../reports/reports-fixture.ts';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import {
  ended,
  eventBytes,
  type Fixture,
  newSession,
  openFixture,
  output,
  publisher,
  queued,
  storedRow,
} from '../trace-store-fixture.ts';
import { type Asked, contractCases, type Story, type Way } from './contract.ts';
import { binaryRows } from './row-binary.ts';
import { type ClickHouse, openClickHouse } from './store.ts';

const operatorToken = randomBytes(16).toString('hex');
let fixture: Fixture;
let temporal: TemporalServer;
let gateway: ServerProcess;
let lifetime: Lifetime;
let embedded: ClickHouse;
let endpoint: ClickHouse;
let inProcess: Way;
let overHttp: Way;
let story: Story;

beforeAll(async () => {
  fixture = await openFixture('contract');
  await fixture.start({ querySecondsMax: 60 });
  temporal = await startTemporalServer(`${fixture.path}/temporal`);
  const port = await freePort();
  gateway = await startGateway(port);
  const made = await fetch(`http://127.0.0.1:${port}/v1/organizations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operatorToken}` },
    body: JSON.stringify({ name: 'contract', principal: { name: 'c', kind: 'user' } }),
  });
  const { organization: own, key } = (await made.json()) as { organization: { id: string }; key: { secret: string } };

  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  embedded = await openClickHouse(fixture.config.clickhouse, lifetime);
  const url = `http://127.0.0.1:${port}/v1/clickhouse`;
  const asServer = { kind: 'server', url, database: 'worktrail', user: 'any', password: key.secret } as const;
  endpoint = await openClickHouse(asServer, lifetime);
  inProcess = { views: asked(embedded, (sql) => withDefinitions(sql, own.id)), store: embedded };
  overHttp = { views: endpoint, store: asked(endpoint, (sql) => overViews(sql, own.id)) };

  const session = newSession(own.id);
  story = { session, commandId: newId('command') };
  await publishStory(story);
  await storeReported(own.id);
  await fixture.trace.recomputeTotals({ organizationId: own.id });
});

afterAll(async () => {
  await lifetime?.close();
  await gateway?.stop();
  await temporal?.stop();
  await fixture?.close();
});

async function startGateway(port: number): Promise<ServerProcess> {
  return await startProcess(
    process.execPath,
    [fileURLToPath(new URL('../../../gateway/src/main.ts', import.meta.url))],
    {
      logPath: `${fixture.path}/gateway.log`,
      env: {
        ...process.env,
        WORKTRAIL_CLUSTER_ID: 'test',
        WORKTRAIL_PORT: String(port),
        WORKTRAIL_INTERNAL_TOKEN: fixture.config.internalToken,
        WORKTRAIL_NATS_URL: fixture.nats.url,
        WORKTRAIL_TEMPORAL_ADDRESS: temporal.address,
        WORKTRAIL_TRACE_STORE_URL: fixture.address(),
        WORKTRAIL_SECRETS_KEY: randomBytes(32).toString('hex'),
        WORKTRAIL_OPERATOR_TOKEN: operatorToken,
      },
      // Some of its parts are not there, which are not asked.
      ready: async () => (await fetch(`http://127.0.0.1:${port}/v1/projects`).catch(() => undefined))?.status === 401,
      readyTimeoutMs: 120_000,
    },
  );
}

async function publishStory({ session, commandId }: Story): Promise<void> {
  const publish = publisher(fixture.js, session);
  const [turn, call, proposal] = [newId('turn'), 'call_1', newId('proposal')];
  const publishInTurn = async (producer: string, number: number, payload: EventPayloadInit) => {
    const event = fromBinary(EventSchema, eventBytes(session, producer, number, payload));
    await fixture.js.publish(eventSubject(session, producer), toBinary(EventSchema, { ...event, turnId: turn }));
  };
  await publish('session', 1, {
    case: 'sessionCreated',
    value: { title: 'of "it\'s" {contract}', labels: { team: 'ü' } },
  });
  await publish(commandId, 1, queued('printf x'));
  await publish(commandId, 2, output('stdout', 0, 0, Buffer.from('first\n')));
  await publish(commandId, 3, output('stderr', 0, 6, Uint8Array.of(0xff, 0, 0x7b)));
  await publish(commandId, 4, output('stdout', 6, 9, Buffer.from('ü')));
  await publish(commandId, 5, ended(3, 8, 3));
  await publish(newId('command'), 1, queued('sleep 9'));
  await publishInTurn(turn, 1, { case: 'messageUser', value: { messageId: turn, text: 'do it' } });
  await publishInTurn(turn, 2, { case: 'turnStarted', value: { agent: 'worktrail' } });
  const usage = { steps: 2, inputTokens: 5, outputTokens: 3, costUsd: 0.5 };
  await publishInTurn(call, 1, {
    case: 'toolStarted',
    value: { toolCallId: call, tool: 'edit', inputJson: '{"a":1}' },
  });
  await publishInTurn(call, 2, { case: 'toolEnded', value: { toolCallId: call, failed: true, outputJson: '"no"' } });
  await publishInTurn(turn, 3, { case: 'turnEnded', value: { outcome: 'failed', reason: 'x', usage } });
  const files = [{ path: 'a b', status: 'added', additions: 2n }];
  await publish('session', 2, { case: 'filesChanged', value: { source: 'tool', toolCallId: call, files } });
  await publish(proposal, 1, {
    case: 'proposalOpened',
    value: { proposalId: proposal, title: 'one', headCommit: 'h' },
  });
}

/** The events that the tests of reports have, as if they were this organization's. */
async function storeReported(organizationId: string): Promise<void> {
  const messages = events.map(({ session, commandId, bytes }, index) => {
    const event = fromBinary(EventSchema, bytes);
    if (event.organizationId === organization) event.organizationId = organizationId;
    const subject = eventSubject({ ...session, organizationId: event.organizationId }, commandId || 'session');
    return { subject, sequence: 1_000_000 + index, data: toBinary(EventSchema, event) };
  });
  const stored = messages.map((message, index) =>
    storedRow(message, { task_id: taskOf(events[index]!.session), trial_id: '' }),
  );
  await embedded.insertBinary('events_v1', binaryRows(eventColumns, stored, 1_000), 'reported');
  const parsed = messages.map((message) => parseEvent(message));
  await embedded.insert(
    'commands_v1',
    commandColumns,
    parsed.map(commandRow).filter((row) => row !== undefined),
  );
  const sessions = parsed.map((event) => sessionRow(event, 1)).filter((row) => row !== undefined);
  await embedded.insert('sessions_v1', sessionColumns, sessions);
  await embedded.insert('session_lists_v1', sessionListColumns, parsed.flatMap(sessionListRows));
}

/** The same, of statements that are written otherwise there. */
function asked(clickhouse: Asked, written: (sql: string) => string): Asked {
  return {
    rows: (sql, parameters) => clickhouse.rows(written(sql), parameters),
    bytes: (sql, parameters) => clickhouse.bytes(written(sql), parameters),
    confined: (bounds, work, signal) =>
      clickhouse.confined(
        bounds,
        (connection) =>
          work({
            text: (sql) => connection.text(written(sql)),
            bytes: (sql) => connection.bytes(written(sql)),
            stream: (sql, format) => connection.stream(written(sql), format),
            document: (sql, format) => connection.document(written(sql), format),
          }),
        signal,
      ),
  };
}

function withDefinitions(sql: string, organizationId: string): string {
  const [, before, rest] = /^((?:\s|\/\*.*?\*\/)*)(?:WITH\b)?([\s\S]*)$/.exec(sql)!;
  return `WITH ${viewDefinitions(organizationId)}${/^\s*SELECT\b/.test(rest!) ? ' ' : ', '}${before}${rest}`;
}

/** What the store has in columns and the views have not is in an event's data. */
const ofData = (type: string, expression: string, otherwise: string) => `if(${type}, ${expression}, ${otherwise})`;
const data = (field: string) => `JSONExtractString(data, '${field}')`;
const checkpointed = `type = 'files.changed' AND ${data('source')} = 'checkpoint'`;
const ofFiles = (field: string, type: string) =>
  ofData(checkpointed, `JSONExtract(data, 'files', 'Array(Tuple(${field} ${type}))').1`, '[]');
const tables: Readonly<Record<string, string>> = {
  events_v1: `SELECT *, ${[
    `multiIf(startsWith(type, 'proposal.'), ${data('proposalId')}, startsWith(type, 'permission.'), ${data('permissionId')}, '') AS subject_id`,
    `${ofData("type = 'session.resuming'", data('reason'), "''")} AS reason`,
    `${ofData("type = 'trial.verdict'", data('strategy'), "''")} AS strategy`,
    `${ofFiles('path', 'String')} AS files_path`,
    `${ofFiles('status', 'String')} AS files_status`,
    `${ofFiles('additions', 'UInt64')} AS files_additions`,
    `${ofFiles('deletions', 'UInt64')} AS files_deletions`,
  ].join(', ')}, ORGANIZATION AS organization_id FROM events`,
  session_lists_v1: `SELECT ORGANIZATION AS organization_id, session_id, project_id, task_id, trial_id,
    arrayJoin(arrayDistinct(['', project_id, task_id, trial_id])) AS list FROM sessions`,
  ...Object.fromEntries(
    ['commands', 'command_output', 'sessions', 'turns'].map((view) => [
      `${view}_v1`,
      `SELECT *, ORGANIZATION AS organization_id FROM ${view}`,
    ]),
  ),
};

function overViews(sql: string, organizationId: string): string {
  return sql
    .replace(/\b(FROM|JOIN) (\w+_v1)\b/g, (_, word: string, table: string) => {
      if (!tables[table]) throw new Error(`the views do not tell of ${table}`);
      return `${word} (${tables[table].replaceAll('ORGANIZATION', `'${organizationId}'`)})`;
    })
    .replace(/`files\.(\w+)`/g, 'files_$1');
}

test.each(contractCases)('$title', async (one) => {
  const [here, there] = await Promise.all([one.ask(inProcess, story), one.ask(overHttp, story)]);
  expect(there).toEqual(here);
  if ('answer' in one) expect(here).toEqual(one.answer);
});

describe('what writes is refused as a server that is read-only refuses it', () => {
  test.each<[string, (clickhouse: ClickHouse) => Promise<unknown>]>([
    ['rows', ({ insert }) => insert('commands', ['command_id'], [{ command_id: 'cmd_x' }])],
    ['bytes', ({ insertBinary }) => insertBinary('commands', { columns: ['command_id'], rows: Buffer.of(1, 0) }, 't')],
    ['a table', ({ command }) => command('CREATE TABLE t (a UInt8) ENGINE = Memory')],
    ['no table', ({ command }) => command('DROP TABLE IF EXISTS commands')],
    ['a change', ({ command }) => command("ALTER TABLE commands DELETE WHERE command_id != ''")],
    ['what is killed', ({ command }) => command("KILL QUERY WHERE query != '' ASYNC")],
    ['a setting', ({ command }) => command('SET readonly = 0')],
  ])('%s', async (_, write) => {
    await expect(write(endpoint)).rejects.toMatchObject({ code: '164', type: 'READONLY' });
  });
});

test('what nobody waits for over HTTP is killed in the engine', async () => {
  const isUnderWay = async () => {
    const [row] = await embedded.rows<{ n: number | string }>(
      `SELECT count() AS n FROM system.processes WHERE query LIKE '%of_nobody%' AND query NOT LIKE '%system.processes%'`,
    );
    return Number(row!.n) > 0;
  };
  const gone = new AbortController();
  const slow =
    'SELECT count() AS of_nobody FROM (SELECT arrayJoin(range(9000000)) AS x) AS a, (SELECT arrayJoin(range(9000000)) AS x) AS b';
  const asking = endpoint.confined(
    { seconds: 60, memoryBytes: 400 * 1024 ** 2, threads: 2 },
    (connection) => connection.text(`${slow} FORMAT CSV`),
    gone.signal,
  );
  asking.catch(() => {});
  await expect.poll(isUnderWay).toBe(true);
  gone.abort(new Error('gone'));
  await expect(asking).rejects.toThrow('gone');
  await expect.poll(isUnderWay).toBe(false);
});
