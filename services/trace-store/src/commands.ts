// Commands as their events tell: what was asked, whether it has ended and how, how much output there is.

import { create } from '@bufbuild/protobuf';
import type { CommandEnded, CommandQueued, Event } from '@worktrail/proto/event';
import { type CommandRecord, CommandRecordSchema } from '@worktrail/proto/trace';
import type { ClickHouseReader } from './clickhouse/store.ts';
import { storedMessage } from './event-row.ts';

export interface StoredCommand {
  commandId: string;
  queued?: Event & { payload: { case: 'commandQueued'; value: CommandQueued } };
  started?: Event;
  ended?: Event & { payload: { case: 'commandEnded'; value: CommandEnded } };
  /** Stored so far or, at the end, what the end says where that is more. */
  stdoutBytes: number;
  stderrBytes: number;
}

interface Row {
  producer: string;
  type: string;
  stream: string;
  extent: number | string;
  message: string;
}

/** In the order of the ids; what is not known is left out. */
export async function readCommands(
  clickhouse: ClickHouseReader,
  organizationId: string,
  sessionId: string,
  commandIds: readonly string[],
): Promise<StoredCommand[]> {
  if (commandIds.length === 0) return [];
  const rows = await clickhouse.rows<Row>(
    `SELECT producer, type, stream, max(\`offset\` + size) AS extent, base64Encode(any(message)) AS message FROM events_v1
     WHERE organization_id = {organization:String} AND session_id = {session:String} AND producer IN {commands:Array(String)}
       AND type IN ('command.queued', 'command.started', 'command.output', 'command.ended')
     GROUP BY producer, type, stream
     SETTINGS max_execution_time = 10`,
    { organization: organizationId, session: sessionId, commands: commandIds },
  );
  const commands = new Map<string, StoredCommand>();
  for (const row of rows) {
    const known = commands.get(row.producer) ?? { commandId: row.producer, stdoutBytes: 0, stderrBytes: 0 };
    commands.set(row.producer, withRow(known, row));
  }
  return commandIds.flatMap((id) => commands.get(id) ?? []);
}

function withRow(command: StoredCommand, row: Row): StoredCommand {
  if (row.type === 'command.output') return withBytes(command, row.stream, Number(row.extent));
  const event = storedMessage(row.message);
  if (event.payload.case === 'commandQueued') return { ...command, queued: event as StoredCommand['queued'] };
  if (event.payload.case === 'commandStarted') return { ...command, started: event };
  if (event.payload.case !== 'commandEnded') return command;
  const { stdoutBytes, stderrBytes } = event.payload.value;
  const ended = { ...command, ended: event as StoredCommand['ended'] };
  return withBytes(withBytes(ended, 'stdout', Number(stdoutBytes)), 'stderr', Number(stderrBytes));
}

function withBytes(command: StoredCommand, stream: string, bytes: number): StoredCommand {
  if (stream === 'stderr') return { ...command, stderrBytes: Math.max(command.stderrBytes, bytes) };
  return { ...command, stdoutBytes: Math.max(command.stdoutBytes, bytes) };
}

export function commandRecord(command: StoredCommand, sessionId: string): CommandRecord {
  const { queued, started, ended } = command;
  return create(CommandRecordSchema, {
    commandId: command.commandId,
    sessionId,
    queued: queued?.payload.value,
    queuedAt: queued?.time,
    startedAt: ended?.payload.value.startedAt ?? started?.time,
    ended: ended?.payload.value,
    endedAt: ended && (ended.payload.value.endedAt ?? ended.time),
    stdoutBytes: BigInt(command.stdoutBytes),
    stderrBytes: BigInt(command.stderrBytes),
  });
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
    `SELECT DISTINCT command_id AS id FROM commands_v1
     WHERE organization_id = {organization:String} AND session_id = {session:String} AND command_id > {after:String}
     ORDER BY id LIMIT {limit:UInt32}`,
    { organization: organizationId, session: sessionId, after: afterCommandId, limit },
  );
  return rows.map((row) => row.id);
}
