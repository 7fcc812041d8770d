// What an event adds to the tables of commands, sessions and turns.
//
// Every column is merged by an idempotent aggregate, so a row that is inserted again, or before its event, changes nothing.

import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { type CommandEnded, CommandOutcome } from '@worktrail/proto/event';
import type { ParsedEvent } from './parse-event.ts';
import { dateTimeText } from '../clickhouse/sql-text.ts';

export type SummaryRow = Record<
  string,
  string | number | boolean | null | readonly (string | number)[] | Readonly<Record<string, string>>
>;

export const commandColumns = [
  'organization_id',
  'session_id',
  'command_id',
  'project_id',
  'command',
  'cwd',
  'origin',
  'background',
  'timeout_seconds',
  'queued_at',
  'started_at',
  'ended_at',
  'outcome',
  'reason',
  'exit_code',
  'signal',
  'stdout_bytes',
  'stderr_bytes',
  'user_cpu_micros',
  'system_cpu_micros',
  'max_rss_kilobytes',
] as const;

export const sessionColumns = [
  'organization_id',
  'session_id',
  'project_id',
  'task_id',
  'trial_id',
  'title',
  'branch',
  'base_ref',
  'created_at',
  'last_event_at',
  'generation',
  'state',
  'failure_code',
  'labels',
] as const;

export const sessionListColumns = [
  'organization_id',
  'list',
  'session_id',
  'project_id',
  'task_id',
  'trial_id',
] as const;

/** Undefined for an event that says nothing about a command's life. The command is the event's producer. */
export function commandRow({ event, payload, time }: ParsedEvent): SummaryRow | undefined {
  const key = {
    organization_id: event.organizationId,
    session_id: event.sessionId,
    command_id: event.producer,
    project_id: event.projectId,
  };
  switch (payload.case) {
    case 'commandQueued': {
      const { command, cwd, origin, background, timeoutSeconds } = payload.value;
      const queued_at = dateTimeText(time);
      return {
        ...key,
        command,
        cwd,
        origin,
        background: background ? 1 : 0,
        timeout_seconds: timeoutSeconds,
        queued_at,
      };
    }
    case 'commandStarted':
      return { ...key, started_at: dateTimeText(time) };
    case 'commandEnded':
      return { ...key, ...endColumns(payload.value, time) };
    default:
      return undefined;
  }
}

function endColumns(ended: CommandEnded, time: Date): SummaryRow {
  return {
    started_at: ended.startedAt ? dateTimeText(boundedDate(ended.startedAt)) : null,
    ended_at: dateTimeText(ended.endedAt ? boundedDate(ended.endedAt) : time),
    outcome: (CommandOutcome[ended.outcome] ?? String(ended.outcome)).toLowerCase(),
    reason: ended.reason,
    exit_code: ended.exitCode ?? null,
    signal: ended.signal,
    stdout_bytes: String(ended.stdoutBytes),
    stderr_bytes: String(ended.stderrBytes),
    user_cpu_micros: String(ended.userCpuMicros),
    system_cpu_micros: String(ended.systemCpuMicros),
    max_rss_kilobytes: String(ended.maxRssKilobytes),
  };
}

const timeMsMax = Date.parse('2200-01-01T00:00:00Z');

/** A sandbox host's clock may say anything; the column holds 1970 to 2200. */
function boundedDate(timestamp: Timestamp): Date {
  const timeMs = timestampDate(timestamp).getTime();
  return new Date(Number.isNaN(timeMs) ? 0 : Math.min(Math.max(timeMs, 0), timeMsMax));
}

const statesByCase: Partial<Record<ParsedEvent['payload']['case'], string>> = {
  sessionCreated: 'creating',
  sessionReady: 'ready',
  sessionBusy: 'busy',
  sessionHibernating: 'hibernating',
  sessionHibernated: 'hibernated',
  sessionResuming: 'resuming',
  sessionResumed: 'ready',
  sessionFailed: 'failed',
  sessionArchived: 'archived',
};

export const turnColumns = [
  'organization_id',
  'session_id',
  'turn_id',
  'project_id',
  'text',
  'agent',
  'queued_at',
  'started_at',
  'ended_at',
  'outcome',
  'reason',
  'steps',
  'input_tokens',
  'output_tokens',
  'cached_input_tokens',
  'cost_usd',
] as const;

/** Undefined for an event that says nothing about a turn's life. */
export function turnRow({ event, payload, time }: ParsedEvent): SummaryRow | undefined {
  const key = {
    organization_id: event.organizationId,
    session_id: event.sessionId,
    turn_id: event.turnId,
    project_id: event.projectId,
  };
  switch (payload.case) {
    case 'messageUser':
      return { ...key, text: payload.value.text, queued_at: dateTimeText(time) };
    case 'turnStarted':
      return { ...key, agent: payload.value.agent, started_at: dateTimeText(time) };
    case 'turnEnded': {
      const { outcome, reason, usage } = payload.value;
      return {
        ...key,
        outcome,
        reason,
        ended_at: dateTimeText(time),
        steps: usage?.steps ?? 0,
        input_tokens: usage?.inputTokens ?? 0,
        output_tokens: usage?.outputTokens ?? 0,
        cached_input_tokens: usage?.cachedInputTokens ?? 0,
        cost_usd: usage?.costUsd ?? 0,
      };
    }
    default:
      return undefined;
  }
}

/** Undefined for an event that is not the session's own. */
export function sessionRow({ event, payload, time, sequence }: ParsedEvent, epoch: number): SummaryRow | undefined {
  if (!payload.case.startsWith('session')) return undefined;
  const state = statesByCase[payload.case];
  const row: SummaryRow = {
    organization_id: event.organizationId,
    session_id: event.sessionId,
    project_id: event.projectId,
    last_event_at: dateTimeText(time),
    generation: event.generation,
    state: state === undefined ? [0, 0, ''] : [epoch, sequence, state],
  };
  if (payload.case === 'sessionCreated') {
    const { taskId, trialId, title, branch, baseRef, labels } = payload.value;
    Object.assign(row, { task_id: taskId, trial_id: trialId, title, branch, base_ref: baseRef, labels });
    row['created_at'] = dateTimeText(time);
  }
  if (payload.case === 'sessionReady') row['branch'] = payload.value.branch;
  if (payload.case === 'sessionFailed') row['failure_code'] = payload.value.code;
  return row;
}

/** A new session in the lists it is in, by the id of what they are of; '' is the organization's. */
export function sessionListRows({ event, payload }: ParsedEvent): SummaryRow[] {
  if (payload.case !== 'sessionCreated') return [];
  const { organizationId, sessionId, projectId } = event;
  const { taskId, trialId } = payload.value;
  const session = { session_id: sessionId, project_id: projectId, task_id: taskId, trial_id: trialId };
  const lists = new Set(['', projectId, taskId, trialId]);
  return [...lists].map((list) => ({ organization_id: organizationId, list, ...session }));
}

/** What an event adds to each. */
export interface Summaries {
  command: SummaryRow | undefined;
  session: SummaryRow | undefined;
  turn: SummaryRow | undefined;
  lists: readonly SummaryRow[];
}

export function summariesOf(parsed: ParsedEvent, epoch: number): Summaries {
  return {
    command: commandRow(parsed),
    session: sessionRow(parsed, epoch),
    turn: turnRow(parsed),
    lists: sessionListRows(parsed),
  };
}

/** Fewer rows that add the same: those of one thing are one where none has another value for what another tells. */
export function combined(rows: readonly SummaryRow[], keys: readonly string[]): SummaryRow[] {
  const last = new Map<string, SummaryRow>();
  const all: SummaryRow[] = [];
  for (const row of rows) {
    const key = keys.map((name) => row[name]).join('.');
    const before = last.get(key);
    if (before && agrees(before, row)) {
      for (const [name, value] of Object.entries(row)) before[name] ??= value;
      continue;
    }
    const own = { ...row };
    last.set(key, own);
    all.push(own);
  }
  return all;
}

function agrees(before: SummaryRow, row: SummaryRow): boolean {
  return Object.entries(row).every(([name, value]) => (before[name] ?? value) === (value ?? before[name]));
}
