// A command as the API shows it, from each place that knows it.

import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import type { CommandOutcome, CommandSpec } from '@worktrail/contract/commands';
import { CommandOutcome as Outcome, type CommandEnded } from '@worktrail/proto/event';
import type { CommandRecord } from '@worktrail/proto/trace';
import type { CommandJson } from './schemas.ts';

const outcomes: Record<Outcome, CommandOutcome | null> = {
  [Outcome.UNSPECIFIED]: null,
  [Outcome.EXITED]: 'exited',
  [Outcome.SIGNALED]: 'signaled',
  [Outcome.TIMED_OUT]: 'timed_out',
  [Outcome.CANCELED]: 'canceled',
  [Outcome.OOM_KILLED]: 'oom_killed',
  [Outcome.OUTPUT_LIMIT]: 'output_limit',
  [Outcome.SANDBOX_LOST]: 'sandbox_lost',
  [Outcome.HOST_LOST]: 'host_lost',
  [Outcome.FAILED_TO_START]: 'failed_to_start',
};

/** As it was asked for; nothing is known of its course. Running is only what is known to have been started. */
export function commandOfSpec(sessionId: string, spec: CommandSpec): CommandJson {
  return {
    id: spec.id,
    sessionId,
    command: spec.command,
    cwd: spec.cwd,
    background: spec.background,
    timeoutSeconds: spec.timeoutSeconds,
    origin: spec.origin,
    state: 'queued',
    outcome: null,
    exitCode: null,
    signal: null,
    queuedAt: spec.queuedAt,
    startedAt: null,
    endedAt: null,
    stdoutBytes: 0,
    stderrBytes: 0,
  };
}

export function commandOfRecord(record: CommandRecord): CommandJson {
  const { queued, ended } = record;
  const command: CommandJson = {
    id: record.commandId,
    sessionId: record.sessionId,
    command: queued?.command ?? '',
    cwd: queued?.cwd ?? '',
    background: queued?.background ?? false,
    timeoutSeconds: queued?.timeoutSeconds || null,
    origin: queued?.origin ?? '',
    state: record.startedAt ? 'running' : 'queued',
    outcome: null,
    exitCode: null,
    signal: null,
    queuedAt: iso(record.queuedAt) ?? new Date(0).toISOString(),
    startedAt: iso(record.startedAt),
    endedAt: null,
    stdoutBytes: Number(record.stdoutBytes),
    stderrBytes: Number(record.stderrBytes),
  };
  return ended ? withEnd(command, ended, record.endedAt) : command;
}

/** `seenAt`: the time of the event, where the end itself tells none. */
export function withEnd(command: CommandJson, ended: CommandEnded, seenAt: Timestamp | undefined): CommandJson {
  return {
    ...command,
    state: 'ended',
    outcome: outcomes[ended.outcome],
    ...(ended.reason !== '' && { reason: ended.reason }),
    exitCode: ended.exitCode ?? null,
    signal: ended.signal === '' ? null : ended.signal,
    startedAt: iso(ended.startedAt) ?? command.startedAt,
    endedAt: iso(ended.endedAt) ?? iso(seenAt),
    stdoutBytes: Number(ended.stdoutBytes),
    stderrBytes: Number(ended.stderrBytes),
  };
}

function iso(time: Timestamp | undefined): string | null {
  return time ? timestampDate(time).toISOString() : null;
}
