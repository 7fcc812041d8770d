// How each report is shown: what is asked of it, its columns, and the one that is drawn.

import type { ReportQuery, WorktrailClient } from '@worktrail/client';
import { formatBytes, formatCost, formatDuration } from '../screen/quantities.ts';

export interface ShownReport {
  groupBy: string;
  interval: string;
  items: readonly Readonly<Record<string, string | number | null>>[];
  truncated: boolean;
}

interface ReportColumn {
  title: string;
  field: string;
  /** Of a number; else it is text. */
  format?: (value: number) => string;
  canGo?: true;
  shrinks?: true;
}

export interface ReportView {
  name: string;
  description: string;
  /** What a row may be of; the first unless it is said. */
  groups: readonly [string, ...string[]];
  /** Unless it is said; absent: it has none. */
  every?: 'none' | 'day';
  ask(client: WorktrailClient, query: ReportQuery<never>): Promise<ShownReport>;
  columns: readonly ReportColumn[];
  /** A field of which bars and lines are drawn. */
  drawn: string;
  /** Said where there is nothing. */
  empty: string;
}

const seconds = (value: number) => formatDuration(value * 1_000);
const counted = (title: string, field: string): ReportColumn => ({ title, field, format: String });
const went = (title: string, field: string): ReportColumn => ({ title, field, format: String, canGo: true });
const durations: readonly ReportColumn[] = [
  { title: 'MEDIAN', field: 'medianSeconds', format: seconds },
  { title: '95 %', field: 'p95Seconds', format: seconds },
  { title: 'LONGEST', field: 'maxSeconds', format: seconds, canGo: true },
];
const common = ['all', 'project', 'task', 'session'] as const;
const project: ReportColumn = { title: 'PROJECT', field: 'projectId', canGo: true };

export const reportViews: readonly ReportView[] = [
  {
    name: 'sessions',
    description: 'sessions over time: created, at work, asleep, ended',
    groups: ['all', 'project', 'task'],
    every: 'day',
    ask: ({ analytics }, query) => analytics.sessions(query),
    columns: [
      counted('CREATED', 'created'),
      counted('ACTIVE', 'active'),
      went('HIBERNATED', 'hibernated'),
      went('RESUMED', 'resumed'),
      went('ARCHIVED', 'archived'),
      counted('FAILED', 'failed'),
    ],
    drawn: 'active',
    empty: 'there were no sessions',
  },
  {
    name: 'outcomes',
    description: 'how turns and commands have ended, over time',
    groups: common,
    every: 'day',
    ask: ({ analytics }, query) => analytics.outcomes(query),
    columns: [
      counted('TURNS OK', 'turnsCompleted'),
      went('LIMITED', 'turnsLimited'),
      went('CANCELED', 'turnsCanceled'),
      counted('FAILED', 'turnsFailed'),
      counted('COMMANDS OK', 'commandsSucceeded'),
      went('CANCELED', 'commandsCanceled'),
      counted('FAILED', 'commandsFailed'),
    ],
    drawn: 'commandsFailed',
    empty: 'nothing has ended',
  },
  {
    name: 'tasks',
    description: 'how attempts at tasks were judged, by task and by strategy',
    groups: ['task', 'strategy', 'task_strategy', 'trial', 'project', 'all'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.tasks(query),
    columns: [
      { title: 'STRATEGY', field: 'ofStrategy', canGo: true, shrinks: true },
      counted('ATTEMPTS', 'attempts'),
      counted('PASSED', 'passed'),
      counted('FAILED', 'failed'),
      went('UNJUDGED', 'unjudged'),
      { title: 'SUCCESS', field: 'success', format: (part) => `${Math.round(part * 100)} %` },
    ],
    drawn: 'success',
    empty: 'no attempt was judged',
  },
  {
    name: 'usage',
    description: 'tokens and cost of the calls of models',
    groups: ['model', 'all', 'project', 'task', 'session', 'day'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.usage(query),
    columns: [
      counted('CALLS', 'calls'),
      counted('INPUT', 'inputTokens'),
      counted('OUTPUT', 'outputTokens'),
      went('CACHED', 'cachedInputTokens'),
      { title: 'COST', field: 'costUsd', format: formatCost },
    ],
    drawn: 'costUsd',
    empty: 'no model was called',
  },
  {
    name: 'command-failures',
    description: 'commands that did not end with exit code 0, by what became of them',
    groups: ['kind', ...common],
    every: 'none',
    ask: ({ analytics }, query) => analytics.commandFailures(query),
    columns: [
      counted('FAILURES', 'failures'),
      counted('SESSIONS', 'sessions'),
      { title: 'LAST', field: 'lastAt', canGo: true },
    ],
    drawn: 'failures',
    empty: 'no command has failed',
  },
  {
    name: 'slowest-commands',
    description: 'the commands that took longest',
    groups: ['command'],
    ask: ({ analytics }, query) => analytics.slowestCommands(query),
    columns: [
      { title: 'SESSION', field: 'sessionId', canGo: true },
      { title: 'TOOK', field: 'durationSeconds', format: seconds },
      { title: 'OUTCOME', field: 'outcome' },
      { title: 'EXIT', field: 'exitCode', format: String },
      { title: 'TEXT', field: 'command', shrinks: true },
    ],
    drawn: 'durationSeconds',
    empty: 'no command has ended',
  },
  {
    name: 'output-volume',
    description: 'how much commands have printed',
    groups: common,
    every: 'none',
    ask: ({ analytics }, query) => analytics.outputVolume(query),
    columns: [{ title: 'OUTPUT', field: 'outputBytes', format: formatBytes }, counted('COMMANDS', 'commands')],
    drawn: 'outputBytes',
    empty: 'nothing was printed',
  },
  {
    name: 'files-changed',
    description: 'which files were changed most, as checkpoints tell it',
    groups: ['path', 'project', 'task', 'session', 'status'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.filesChanged(query),
    columns: [
      project,
      counted('CHANGES', 'changes'),
      counted('SESSIONS', 'sessions'),
      went('ADDED', 'linesAdded'),
      went('REMOVED', 'linesRemoved'),
    ],
    drawn: 'changes',
    empty: 'no file was changed',
  },
  {
    name: 'files-read',
    description: 'which files agents and people were shown most; what a shell reads is not seen',
    groups: ['path', 'project', 'task', 'session'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.filesRead(query),
    columns: [
      project,
      counted('READS', 'reads'),
      counted('SESSIONS', 'sessions'),
      { title: 'BYTES', field: 'bytesRead', format: formatBytes, canGo: true },
    ],
    drawn: 'reads',
    empty: 'no file was read',
  },
  {
    name: 'waits',
    description: 'how long was waited for sessions, turns, commands and decisions',
    groups: ['kind'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.waits(query),
    columns: [counted('WAITS', 'waits'), ...durations],
    drawn: 'medianSeconds',
    empty: 'nothing was waited for',
  },
  {
    name: 'recovery',
    description: 'how long sessions took to go on that had been asleep, or had lost their sandbox or host',
    groups: ['reason', 'outcome', 'project', 'session'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.recovery(query),
    columns: [counted('RECOVERIES', 'recoveries'), ...durations],
    drawn: 'medianSeconds',
    empty: 'no session had to go on',
  },
  {
    name: 'approvals',
    description: 'what was put up for approval and decided about it',
    groups: [...common, 'actor'],
    every: 'none',
    ask: ({ analytics }, query) => analytics.approvals(query),
    columns: [
      counted('OPENED', 'opened'),
      counted('APPROVED', 'approved'),
      counted('REJECTED', 'rejected'),
      counted('MERGED', 'merged'),
      went('CLOSED', 'closed'),
      went('CHECKS FAILED', 'checksFailed'),
      counted('ASKED', 'permissionsRequested'),
      counted('ALLOWED', 'permissionsAllowed'),
      counted('DENIED', 'permissionsDenied'),
    ],
    drawn: 'opened',
    empty: 'nothing was put up for approval',
  },
];
