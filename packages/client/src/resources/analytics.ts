// Reports over everything that the organization has stored.

import type {
  ApprovalsReport,
  CommandFailuresReport,
  FilesChangedReport,
  FilesReadReport,
  OutcomesReport,
  OutputVolumeReport,
  RecoveryReport,
  SessionsReport,
  SlowestCommandsReport,
  TasksReport,
  UsageReport,
  WaitsReport,
} from '../gen/api-schemas.ts';
import type { Transport } from '../transport.ts';
import type { CallOptions } from './call.ts';

interface Report {
  groupBy: string;
  interval: string;
}

export interface ReportQuery<Of extends Report = Report> {
  /** ISO 8601; without it, from the first event. */
  from?: string | undefined;
  /** Not included. */
  to?: string | undefined;
  projectId?: string | undefined;
  /** Only of sessions that were made with it: `name`, or `name=value`. */
  label?: string | undefined;
  /** What a row is of. */
  groupBy?: Of['groupBy'] | undefined;
  /** A row for each of them that is not empty; `none`: for all of the time together. */
  interval?: Of['interval'] | undefined;
  /** Rows; at most 1,000. */
  limit?: number | undefined;
}

export function createAnalytics(transport: Transport) {
  const report =
    <Of extends Report>(name: string) =>
    (query: ReportQuery<Of> = {}, options?: CallOptions) =>
      transport.json<Of>('GET', `/v1/analytics/${name}`, { query: { ...query }, ...options });
  return {
    /** Created, at work, asleep, ended; by day unless it says otherwise. */
    sessions: report<SessionsReport>('sessions'),
    /** How turns and commands have ended; by day unless it says otherwise. */
    outcomes: report<OutcomesReport>('outcomes'),
    /** How attempts at tasks were judged. */
    tasks: report<TasksReport>('tasks'),
    /** Tokens and cost of the calls of models, by model unless it says otherwise. */
    usage: report<UsageReport>('usage'),
    /** Commands that did not end with exit code 0, by what became of them. */
    commandFailures: report<CommandFailuresReport>('command-failures'),
    slowestCommands: report<SlowestCommandsReport>('slowest-commands'),
    /** How much commands have printed. */
    outputVolume: report<OutputVolumeReport>('output-volume'),
    filesChanged: report<FilesChangedReport>('files-changed'),
    filesRead: report<FilesReadReport>('files-read'),
    /** For sessions, turns, commands and decisions. */
    waits: report<WaitsReport>('waits'),
    /** Of sessions that had been asleep, or had lost their sandbox or host. */
    recovery: report<RecoveryReport>('recovery'),
    /** Proposals and permissions, and what was decided about them. */
    approvals: report<ApprovalsReport>('approvals'),
  };
}
