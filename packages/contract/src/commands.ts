// A command of a session: what is asked, and how it ended.

export interface ActorRef {
  kind: 'user' | 'agent' | 'system';
  id: string;
}

export type CommandOrigin = 'user' | 'setup' | 'trial' | 'verify' | 'agent';

export interface CommandSpec {
  id: string;
  command: string;
  /** Relative to the work tree; '' is its root. */
  cwd: string;
  env: Record<string, string>;
  /** null: no limit. */
  timeoutSeconds: number | null;
  /** null: stays open for later writes. A string is written, then closed ('' is an empty input). */
  stdin: string | null;
  /** Runs beside the others instead of in order. */
  background: boolean;
  origin: CommandOrigin;
  actor: ActorRef;
  queuedAt: string;
  /** Of the agent's that wanted it. */
  turnId?: string;
}

export const commandOutcomes = [
  'exited',
  'signaled',
  'timed_out',
  'canceled',
  'oom_killed',
  'output_limit',
  'sandbox_lost',
  'host_lost',
  'failed_to_start',
] as const;

export type CommandOutcome = (typeof commandOutcomes)[number];

export interface CommandResult {
  outcome: CommandOutcome;
  reason: string | null;
  exitCode: number | null;
  /** "SIGTERM". */
  signal: string | null;
  stdoutBytes: number;
  stderrBytes: number;
}
