// A store from before the typed columns, brought up to date: its events answer as those that came after it.

import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { eventSubject } from '@worktrail/contract/subjects';
import { createLifetime, type Lifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClickHouse, openClickHouse } from '../clickhouse/store.ts';
import { eventColumns } from './event-row.ts';
import { applySchema, schemaFiles } from '../clickhouse/schema.ts';
import { binaryRows } from '../clickhouse/row-binary.ts';
import { noTask } from './sources.ts';
import { ended, eventBytes, newSession, output, queued, storedRow, type TestSession } from '../trace-store-fixture.ts';
import { typedColumns } from './typed-columns.ts';

let scratch: Scratch;
let lifetime: Lifetime;
let clickhouse: ClickHouse;

beforeAll(async () => {
  scratch = await makeScratch('typed-columns');
  lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
  clickhouse = await openClickHouse({ kind: 'embedded', path: `${scratch.path}/clickhouse` }, lifetime);
  await applySchema(
    clickhouse,
    (await schemaFiles()).filter((name) => name < '0007'),
  );
});

afterAll(async () => {
  await lifetime.close();
  await scratch.remove();
});

const text = 'Mend "it"\\ {now}\n\tü\u{1f600}';
const counted = { model: 'a/{b}', inputTokens: 70n, outputTokens: 3n, cachedInputTokens: 2n, costUsd: 0.1 };
const file = (path: string, additions: bigint) => ({ path, status: 'renamed', additions, deletions: 1n });
const at = (ms: number) => timestampFromMs(1_790_000_000_000 + ms);

const payloads = [
  { case: 'sessionCreated', value: { title: text, labels: { path: 'x' } } },
  { case: 'sessionUpdated', value: { method: 'merge', outcome: 'conflicts', conflicts: ['a'] } },
  queued(text),
  output('stderr', 3, 4, Buffer.from(text)),
  ended(0, 2, 3),
  { case: 'commandEnded', value: { outcome: 2, signal: 'SIGKILL', startedAt: at(0), endedAt: at(1_234) } },
  { case: 'commandEnded', value: { outcome: 3, exitCode: -7, startedAt: at(5), endedAt: at(0) } },
  { case: 'commandEnded', value: { endedAt: at(0) } },
  { case: 'usage', value: counted },
  { case: 'usage', value: {} },
  { case: 'usage', value: { ...counted, costUsd: Number.NaN } },
  { case: 'messageUser', value: { text } },
  { case: 'messageAgent', value: { text, usage: counted, toolCalls: [{ tool: 'run_command' }] } },
  { case: 'messageAgent', value: { text } },
  { case: 'messageAgentDelta', value: { text } },
  { case: 'messageSummary', value: { text, usage: counted } },
  { case: 'reasoning', value: { text } },
  { case: 'turnEnded', value: { outcome: 'limit_reached', usage: { steps: 2, inputTokens: 70, costUsd: 1 } } },
  { case: 'toolStarted', value: { tool: 'edit_file', inputJson: '{"path":"a"}' } },
  { case: 'toolEnded', value: { toolCallId: text, failed: true } },
  { case: 'toolEnded', value: { outputJson: '{"exitCode":7}' } },
  { case: 'permissionAnswered', value: { permissionId: text, toolCallId: 'x', decision: 'deny' } },
  { case: 'sessionResuming', value: { reason: text } },
  { case: 'fileRead', value: { path: text, length: 9n } },
  { case: 'filesChanged', value: { files: [file(text, 2n)] } },
  { case: 'filesChanged', value: { files: [file('a', 2n), file('b', 5n)] } },
  { case: 'filesChanged', value: { files: [file('a', 2n), file(text, 5n)], source: 'checkpoint' } },
  { case: 'filesChanged', value: {} },
  { case: 'checkpointCreated', value: { leftOut: [{ kind: 'large', files: [{ path: 'a' }] }] } },
  { case: 'proposalChecked', value: { proposalId: text, command: 'npm test', outcome: 'failed', exitCode: 1 } },
] as EventPayloadInit[];

function rowsOf(session: TestSession) {
  const ingestedAt = new Date();
  return payloads.map((payload, index) => {
    const data = eventBytes(session, 'session', index + 1, payload);
    return storedRow({ subject: eventSubject(session, 'session'), sequence: index + 1, data }, noTask, ingestedAt);
  });
}

async function insert(session: TestSession, columns: typeof eventColumns): Promise<void> {
  await clickhouse.insertBinary('events_v1', binaryRows(columns, rowsOf(session), 1_000), session.sessionId);
}

async function read({ sessionId }: TestSession): Promise<Record<string, unknown>[]> {
  return await clickhouse.rows(
    `SELECT type, ${typedColumns.map((name) => `\`${name}\``).join(', ')} FROM events_v1 WHERE session_id = {session:String} ORDER BY sequence
     SETTINGS output_format_json_quote_64bit_integers = 0`,
    { session: sessionId },
  );
}

test('an event of before has in its columns what the same event has that came after', async () => {
  const [before, after] = [newSession(), newSession()];
  const added = [...typedColumns, 'task_id', 'trial_id'];
  const wereThere = eventColumns.filter(({ name }) => !added.includes(name));
  await insert(before, wereThere);
  await applySchema(clickhouse);
  await insert(after, eventColumns);
  const expected = rowsOf(after).map(({ parsed, typed }) => ({ type: parsed.type, ...typed }));
  expect(await read(after)).toEqual(expected);
  expect(await read(before)).toEqual(expected);
  const projected = () =>
    clickhouse.rows(
      `SELECT toUInt32(sum(rows)) AS rows FROM system.projection_parts WHERE active AND name = 'by_type_v2'`,
    );
  await expect.poll(projected).toEqual([{ rows: 2 * payloads.length }]);
});

test('a schema file that was applied is not applied again, and all of them are', async () => {
  await applySchema(clickhouse);
  const applied = await clickhouse.rows<{ name: string }>('SELECT name FROM schema_migrations_v1 ORDER BY name');
  expect(applied.map(({ name }) => name)).toEqual(await schemaFiles());
});
