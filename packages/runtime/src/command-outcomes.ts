// The outcomes of commands in events, and the result that a stored end stands for.

import type { CommandOutcome as Outcome, CommandResult } from '@worktrail/contract/commands';
import { type CommandEnded, CommandOutcome } from '@worktrail/proto/event';

export const outcomesInEvents = {
  exited: CommandOutcome.EXITED,
  signaled: CommandOutcome.SIGNALED,
  timed_out: CommandOutcome.TIMED_OUT,
  canceled: CommandOutcome.CANCELED,
  oom_killed: CommandOutcome.OOM_KILLED,
  output_limit: CommandOutcome.OUTPUT_LIMIT,
  sandbox_lost: CommandOutcome.SANDBOX_LOST,
  host_lost: CommandOutcome.HOST_LOST,
  failed_to_start: CommandOutcome.FAILED_TO_START,
} as const satisfies Record<Outcome, CommandOutcome>;

const outcomeNames = new Map<CommandOutcome, Outcome>(
  Object.entries(outcomesInEvents).map(([name, value]) => [value, name as Outcome]),
);

/** The result that a stored end stands for. */
export function resultOf(ended: CommandEnded): CommandResult {
  return {
    outcome: outcomeNames.get(ended.outcome) ?? 'host_lost',
    reason: ended.reason || null,
    exitCode: ended.exitCode ?? null,
    signal: ended.signal || null,
    stdoutBytes: Number(ended.stdoutBytes),
    stderrBytes: Number(ended.stderrBytes),
  };
}
