// Commands as their events tell: what was asked, whether it has ended and how, how much output there is.

import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { CommandOutcome } from '@worktrail/proto/event';
import { type CommandRecord, CommandRecordSchema } from '@worktrail/proto/trace';
import type { ClickHouseReader } from '../clickhouse/store.ts';
import { inKeyOrder, type Sql, sql, sqlList } from '../clickhouse/sql-text.ts';

/** Numbers that may be large are text: they are exact. */
interface Row {
  id: string;
  command: string | null;
  cwd: string | null;
  origin: string | null;
  background: number | null;
  timeoutSeconds: number | null;
  queuedMs: string | null;
  startedMs: string | null;
  endedMs: string | null;
  outcome: string | null;
  reason: string | null;
  exitCode: number | null;
  signal: string | null;
  stdoutBytes: string | null;
  stderrBytes: string | null;
  userCpuMicros: string | null;
  systemCpuMicros: string | null;
  maxRssKilobytes: string | null;
}

interface Extents {
  stdout: string;
  stderr: string;
}

const settings = sql`SETTINGS max_execution_time = 10, output_format_json_quote_64bit_integers = 1`;

/** In the order of the ids; what is not known is left out. */
export async function readCommands(
  clickhouse: ClickHouseReader,
  organizationId: string,
  sessionId: string,
  commandIds: readonly string[],
): Promise<CommandRecord[]> {
  if (commandIds.length === 0) return [];
  const ofCommands = sql`organization_id = ${organizationId} AND session_id = ${sessionId} AND command_id IN (${sqlList(commandIds)})`;
  // In this order: of a command that is told to have ended all output is counted that was stored before it.
  const rows = await readRows(clickhouse, ofCommands);
  const extents = await readExtents(clickhouse, ofCommands);
  return commandIds.flatMap((id) => {
    const [row, extent] = [rows.get(id), extents.get(id)];
    return row || extent ? [commandRecord(sessionId, id, row, extent)] : [];
  });
}

async function readRows(clickhouse: ClickHouseReader, ofCommands: Sql): Promise<Map<string, Row>> {
  const rows = await clickhouse.rows<Row>(
    sql`SELECT command_id AS id, max(c.command) AS command, max(c.cwd) AS cwd, max(c.origin) AS origin, max(c.background) AS background,
          max(timeout_seconds) AS timeoutSeconds, toUnixTimestamp64Milli(max(queued_at)) AS queuedMs,
          toUnixTimestamp64Milli(max(started_at)) AS startedMs, toUnixTimestamp64Milli(max(ended_at)) AS endedMs,
          max(c.outcome) AS outcome, max(c.reason) AS reason, max(exit_code) AS exitCode, max(c.signal) AS signal,
          max(stdout_bytes) AS stdoutBytes, max(stderr_bytes) AS stderrBytes, max(user_cpu_micros) AS userCpuMicros,
          max(system_cpu_micros) AS systemCpuMicros, max(max_rss_kilobytes) AS maxRssKilobytes
        FROM commands_v1 AS c WHERE ${ofCommands} GROUP BY command_id ${settings}`.text,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** How far each stream is stored. */
async function readExtents(clickhouse: ClickHouseReader, ofCommands: Sql): Promise<Map<string, Extents>> {
  const rows = await clickhouse.rows<{ id: string } & Extents>(
    sql`SELECT command_id AS id, maxIf(\`offset\` + size, stream != 'stderr') AS stdout, maxIf(\`offset\` + size, stream = 'stderr') AS stderr
        FROM command_output_v1 WHERE ${ofCommands} GROUP BY command_id ${settings}`.text,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

function commandRecord(
  sessionId: string,
  commandId: string,
  row: Row | undefined,
  extent: Extents = { stdout: '0', stderr: '0' },
): CommandRecord {
  return create(CommandRecordSchema, {
    commandId,
    sessionId,
    queued: row && queuedOf(row),
    ...timeOf('queuedAt', row?.queuedMs),
    ...timeOf('startedAt', row?.startedMs),
    ended: row && endedOf(row),
    ...timeOf('endedAt', row?.endedMs),
    // What was stored where the end says less, because its teller had lost sight of it.
    stdoutBytes: larger(extent.stdout, row?.stdoutBytes),
    stderrBytes: larger(extent.stderr, row?.stderrBytes),
  });
}

function larger(stored: string, told: string | null | undefined): bigint {
  return [BigInt(stored), BigInt(told ?? 0)].reduce((a, b) => (a > b ? a : b));
}

function queuedOf(row: Row) {
  if (row.queuedMs === null) return undefined;
  return {
    command: row.command ?? '',
    cwd: row.cwd ?? '',
    origin: row.origin ?? '',
    background: row.background === 1,
    timeoutSeconds: row.timeoutSeconds ?? 0,
  };
}

function endedOf(row: Row) {
  if (row.endedMs === null) return undefined;
  return {
    outcome: outcomeOf(row.outcome ?? ''),
    reason: row.reason ?? '',
    signal: row.signal ?? '',
    ...(row.exitCode !== null && { exitCode: row.exitCode }),
    stdoutBytes: BigInt(row.stdoutBytes ?? 0),
    stderrBytes: BigInt(row.stderrBytes ?? 0),
    userCpuMicros: BigInt(row.userCpuMicros ?? 0),
    systemCpuMicros: BigInt(row.systemCpuMicros ?? 0),
    maxRssKilobytes: BigInt(row.maxRssKilobytes ?? 0),
    ...timeOf('startedAt', row.startedMs),
    ...timeOf('endedAt', row.endedMs),
  };
}

/** As summary-rows.ts wrote it: its name, or the number of one that was not known then. */
function outcomeOf(name: string): CommandOutcome {
  return (
    CommandOutcome[name.toUpperCase() as keyof typeof CommandOutcome] ?? (Number(name) || CommandOutcome.UNSPECIFIED)
  );
}

function timeOf(name: 'queuedAt' | 'startedAt' | 'endedAt', ms: string | null | undefined) {
  return ms === null || ms === undefined ? {} : { [name]: timestampFromMs(Number(ms)) };
}

/** Ids of a session's commands in the order they were asked for (ids are sortable by creation), after one of them. */
export async function listCommandIds(
  clickhouse: ClickHouseReader,
  organizationId: string,
  sessionId: string,
  afterCommandId: string,
  limit: number,
): Promise<string[]> {
  const rows = await clickhouse.rows<{ id: string }>(
    sql`SELECT command_id AS id FROM commands_v1
        WHERE organization_id = ${organizationId} AND session_id = ${sessionId} AND command_id > ${afterCommandId}
        GROUP BY command_id ORDER BY command_id LIMIT ${limit} ${inKeyOrder}`.text,
  );
  return rows.map((row) => row.id);
}
