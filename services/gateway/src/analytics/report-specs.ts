// The reports that there are: what a row is of, and what stands in it.

import { z } from '@hono/zod-openapi';
import { time } from '../text.ts';

export interface ReportSpec {
  name: string;
  summary: string;
  /** Which rows come first. */
  order: string;
  /** Of its answer, in the OpenAPI document. */
  title: string;
  /** What a row is of; the first unless it is said. */
  groups: readonly [string, ...string[]];
  /** Unless it is said; absent: a list of things, not of counts. */
  interval?: 'none' | 'day';
  key: string;
  columns: z.ZodRawShape;
}

const common = ['all', 'project', 'task', 'session'] as const;
const count = z.int();
const seconds = z.number();
const nothing = 'Empty of all together, and for no task.';
const durations = { medianSeconds: seconds, p95Seconds: seconds, maxSeconds: seconds };
const ofPath = z.string().nullable().openapi({ description: 'Of a path; else null.' });

export const reportSpecs: readonly ReportSpec[] = [
  {
    name: 'sessions',
    title: 'SessionsReport',
    summary: 'Sessions over time: created, at work, asleep, ended',
    order: 'Most created first',
    groups: ['all', 'project', 'task'],
    interval: 'day',
    key: `An id. ${nothing}`,
    columns: {
      created: count,
      active: count.openapi({ description: 'In which a turn or a command began, or that were created.' }),
      hibernated: count,
      resumed: count,
      archived: count,
      failed: count,
    },
  },
  {
    name: 'outcomes',
    title: 'OutcomesReport',
    summary: 'How turns and commands have ended, over time',
    order: 'Most ends first',
    groups: common,
    interval: 'day',
    key: `An id. ${nothing}`,
    columns: {
      turnsCompleted: count,
      turnsLimited: count.openapi({ description: 'A limit was reached.' }),
      turnsCanceled: count,
      turnsFailed: count,
      commandsSucceeded: count.openapi({ description: 'With exit code 0.' }),
      commandsCanceled: count,
      commandsFailed: count,
    },
  },
  {
    name: 'tasks',
    title: 'TasksReport',
    summary: 'How attempts at tasks were judged, by task and by strategy',
    order: 'Most attempts first',
    groups: ['task', 'strategy', 'task_strategy', 'trial', 'project', 'all'],
    interval: 'none',
    key: 'An id, or a strategy: the title of an attempt, else the name of its agent, else `commands`. Empty of all together.',
    columns: {
      ofStrategy: z.string().nullable().openapi({ description: 'By `task_strategy`; else null.' }),
      attempts: count,
      passed: count,
      failed: count,
      unjudged: count.openapi({ description: 'That ended without a verdict.' }),
      success: z.number().openapi({ description: 'The part of them that passed, from 0 to 1.' }),
    },
  },
  {
    name: 'usage',
    title: 'UsageReport',
    summary: 'Tokens and cost of the calls of models that were made or passed on',
    order: 'What cost most first; of days the newest first',
    groups: ['model', 'all', 'project', 'task', 'session', 'day'],
    interval: 'none',
    key: 'A name of a model, an id, or a day in UTC. Empty: it is not known, for no task, or all together.',
    columns: {
      calls: count,
      inputTokens: count,
      outputTokens: count,
      cachedInputTokens: count,
      costUsd: z.number(),
    },
  },
  {
    name: 'command-failures',
    title: 'CommandFailuresReport',
    summary: 'Commands that did not end with exit code 0, by what became of them',
    order: 'Most failures first',
    groups: ['kind', ...common],
    interval: 'none',
    key: `\`exit <code>\`, or an outcome other than \`exited\`; or an id. ${nothing}`,
    columns: { failures: count, sessions: count, lastAt: time },
  },
  {
    name: 'slowest-commands',
    title: 'SlowestCommandsReport',
    summary: 'The commands that took longest',
    order: 'The slowest first',
    groups: ['command'],
    key: 'The id of the command.',
    columns: {
      projectId: z.string(),
      sessionId: z.string(),
      command: z.string().openapi({ description: 'Its first 400 characters.' }),
      endedAt: time,
      durationSeconds: seconds,
      outcome: z.string(),
      exitCode: z.int().nullable(),
    },
  },
  {
    name: 'output-volume',
    title: 'OutputVolumeReport',
    summary: 'How much commands have printed',
    order: 'Most output first',
    groups: common,
    interval: 'none',
    key: `An id. ${nothing}`,
    columns: { outputBytes: count, commands: count.openapi({ description: 'That have ended.' }) },
  },
  {
    name: 'files-changed',
    title: 'FilesChangedReport',
    summary: 'Which files were changed most, as checkpoints tell it',
    order: 'What was changed most often first',
    groups: ['path', 'project', 'task', 'session', 'status'],
    interval: 'none',
    key: 'A path in the repository of `projectId`, an id, or a status: `added`, `modified`, `deleted`, `renamed`, `mode_changed`. Empty: for no task.',
    columns: { projectId: ofPath, changes: count, sessions: count, linesAdded: count, linesRemoved: count },
  },
  {
    name: 'files-read',
    title: 'FilesReadReport',
    summary: 'Which files agents and people were shown most; what a shell reads is not seen',
    order: 'What was read most often first',
    groups: ['path', 'project', 'task', 'session'],
    interval: 'none',
    key: 'A path in the repository of `projectId`, or an id. Empty: for no task.',
    columns: { projectId: ofPath, reads: count, sessions: count, bytesRead: count },
  },
  {
    name: 'waits',
    title: 'WaitsReport',
    summary: 'How long was waited for sessions, turns, commands and decisions',
    order: 'Most waits first',
    groups: ['kind'],
    interval: 'none',
    key: '`session` to be ready, `turn` or `command` to begin, `permission` to be answered, `approval` of a proposal to be given or refused.',
    columns: {
      waits: count.openapi({ description: 'That began in the time asked about, and are over.' }),
      ...durations,
    },
  },
  {
    name: 'recovery',
    title: 'RecoveryReport',
    summary: 'How long sessions took to go on that had been asleep, or had lost their sandbox or host',
    order: 'Most recoveries first',
    groups: ['reason', 'outcome', 'project', 'session'],
    interval: 'none',
    key: 'A reason, as `host_lost`; an outcome: `resumed` exactly as left, `restored` from what was kept, `hibernated`, `archived`, `failed`; or an id.',
    columns: {
      recoveries: count.openapi({ description: 'That began in the time asked about, and are over.' }),
      ...durations,
    },
  },
  {
    name: 'approvals',
    title: 'ApprovalsReport',
    summary: 'What was put up for approval and decided about it',
    order: 'Where most was asked and decided first',
    groups: [...common, 'actor'],
    interval: 'none',
    key: `An id; of \`actor\` of who has opened, decided, asked or answered. ${nothing}`,
    columns: {
      opened: count.openapi({ description: 'Proposals.' }),
      approved: count,
      rejected: count,
      merged: count,
      closed: count,
      checksFailed: count,
      permissionsRequested: count.openapi({ description: 'By agents.' }),
      permissionsAllowed: count,
      permissionsDenied: count,
    },
  },
];
