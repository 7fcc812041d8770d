// The columns of events_v1 for what is asked of events often, from an event's public `data`.
//
// schema/0007 and 0012 have the same as expressions, for the events of before: both give the same values.

import type { EventType } from '@worktrail/contract/event-types';
import type { Column } from '../clickhouse/row-binary.ts';

export interface TypedColumns {
  bytes: number;
  outcome: string;
  exit_code: number | null;
  duration_ms: number | null;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  cost_usd: number;
  model: string;
  tool: string;
  path: string;
  file_status: string;
  additions: number;
  deletions: number;
  text: string;
  /** Which proposal, permission or use of a tool it is about. */
  subject_id: string;
  reason: string;
  strategy: string;
  /** Of a change that a checkpoint tells, in their order. */
  'files.path': readonly string[];
  'files.status': readonly string[];
  'files.additions': readonly number[];
  'files.deletions': readonly number[];
}

/** `bytes` is the first: the only one that is not the same for all outputs. */
export const typedBinaryColumns: readonly Column<TypedColumns>[] = [
  { name: 'bytes', put: (to, row) => to.uint64(row.bytes) },
  { name: 'outcome', put: (to, row) => to.text(row.outcome) },
  { name: 'exit_code', put: (to, row) => to.optional(row.exit_code, to.int32) },
  { name: 'duration_ms', put: (to, row) => to.optional(row.duration_ms, to.uint64) },
  { name: 'input_tokens', put: (to, row) => to.uint64(row.input_tokens) },
  { name: 'output_tokens', put: (to, row) => to.uint64(row.output_tokens) },
  { name: 'cached_input_tokens', put: (to, row) => to.uint64(row.cached_input_tokens) },
  { name: 'cost_usd', put: (to, row) => to.float64(row.cost_usd) },
  { name: 'model', put: (to, row) => to.text(row.model) },
  { name: 'tool', put: (to, row) => to.text(row.tool) },
  { name: 'path', put: (to, row) => to.text(row.path) },
  { name: 'file_status', put: (to, row) => to.text(row.file_status) },
  { name: 'additions', put: (to, row) => to.uint64(row.additions) },
  { name: 'deletions', put: (to, row) => to.uint64(row.deletions) },
  { name: 'text', put: (to, row) => to.text(row.text) },
  { name: 'subject_id', put: (to, row) => to.text(row.subject_id) },
  { name: 'reason', put: (to, row) => to.text(row.reason) },
  { name: 'strategy', put: (to, row) => to.text(row.strategy) },
  { name: 'files.path', put: (to, row) => to.array(row['files.path'], to.text) },
  { name: 'files.status', put: (to, row) => to.array(row['files.status'], to.text) },
  { name: 'files.additions', put: (to, row) => to.array(row['files.additions'], to.uint64) },
  { name: 'files.deletions', put: (to, row) => to.array(row['files.deletions'], to.uint64) },
];

export const typedColumns: readonly string[] = typedBinaryColumns.map(({ name }) => name);

type Data = Readonly<Record<string, unknown>>;

/** @param size of the output that the event carries. */
export function typedColumnsOf(type: EventType, data: Data, size: number): TypedColumns {
  const columns: TypedColumns = { ...nothing, bytes: size, subject_id: text(data[subjectOf(type) ?? '']) };
  switch (type) {
    case 'command.ended': {
      const bytes = Math.min(amount(data['stdoutBytes']) + amount(data['stderrBytes']), Number.MAX_SAFE_INTEGER);
      return { ...columns, ...ending(data), duration_ms: durationMs(data['startedAt'], data['endedAt']), bytes };
    }
    case 'proposal.checked':
      return { ...columns, ...ending(data) };
    case 'turn.ended':
    case 'session.updated':
      return { ...columns, outcome: text(data['outcome']) };
    case 'trial.verdict':
      return { ...columns, outcome: text(data['verdict']), strategy: text(data['strategy']) };
    case 'session.resuming':
      return { ...columns, reason: text(data['reason']) };
    case 'tool.started':
      return { ...columns, tool: text(data['tool']) };
    case 'tool.ended':
      return { ...columns, outcome: data['failed'] === true ? 'failed' : 'completed' };
    case 'permission.answered':
      return { ...columns, outcome: text(data['decision']) };
    case 'usage':
      return {
        ...columns,
        model: text(data['model']),
        input_tokens: amount(data['inputTokens']),
        output_tokens: amount(data['outputTokens']),
        cached_input_tokens: amount(data['cachedInputTokens']),
        cost_usd: Number.isFinite(data['costUsd']) ? (data['costUsd'] as number) : 0,
      };
    case 'message.agent':
    case 'message.summary':
      return { ...columns, text: text(data['text']), model: text((data['usage'] as Data | undefined)?.['model']) };
    case 'message.user':
    case 'reasoning':
      return { ...columns, text: text(data['text']) };
    case 'command.queued':
      return { ...columns, text: text(data['command']) };
    case 'file.read':
      return { ...columns, path: text(data['path']), bytes: amount(data['length']) };
    case 'files.changed':
      return { ...columns, ...changed(data['files'] as readonly Data[], data['source']) };
    default:
      return columns;
  }
}

const nothing: TypedColumns = {
  bytes: 0,
  outcome: '',
  exit_code: null,
  duration_ms: null,
  input_tokens: 0,
  output_tokens: 0,
  cached_input_tokens: 0,
  cost_usd: 0,
  model: '',
  tool: '',
  path: '',
  file_status: '',
  additions: 0,
  deletions: 0,
  text: '',
  subject_id: '',
  reason: '',
  strategy: '',
  'files.path': [],
  'files.status': [],
  'files.additions': [],
  'files.deletions': [],
};

/** The name of what it is about. */
function subjectOf(type: EventType): string | undefined {
  if (type.startsWith('proposal.')) return 'proposalId';
  if (type.startsWith('permission.')) return 'permissionId';
  return type.startsWith('tool.') ? 'toolCallId' : undefined;
}

function ending(data: Data): Pick<TypedColumns, 'outcome' | 'exit_code'> {
  return { outcome: text(data['outcome']), exit_code: (data['exitCode'] as number | undefined) ?? null };
}

/** Which file it was is told where it was one alone; each of them of a change that a checkpoint tells, which are all. */
function changed(files: readonly Data[], source: unknown): Partial<TypedColumns> {
  const [first, ...others] = files;
  const sum = (name: string) =>
    Math.min(
      files.reduce((all, file) => all + amount(file[name]), 0),
      Number.MAX_SAFE_INTEGER,
    );
  const one = first && others.length === 0 && { path: text(first['path']), file_status: text(first['status']) };
  return {
    ...one,
    additions: sum('additions'),
    deletions: sum('deletions'),
    ...(source === 'checkpoint' && eachOf(files)),
  };
}

function eachOf(files: readonly Data[]): Partial<TypedColumns> {
  return {
    'files.path': files.map(({ path }) => text(path)),
    'files.status': files.map(({ status }) => text(status)),
    'files.additions': files.map(({ additions }) => amount(additions)),
    'files.deletions': files.map(({ deletions }) => amount(deletions)),
  };
}

/** null where it is not known: an end is missing, or the clock went backwards meanwhile. */
function durationMs(startedAt: unknown, endedAt: unknown): number | null {
  const ms = Date.parse(text(endedAt)) - Date.parse(text(startedAt));
  return ms >= 0 ? ms : null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A column holds no more than what is exact as a number. */
function amount(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(value, Number.MAX_SAFE_INTEGER) : 0;
}
