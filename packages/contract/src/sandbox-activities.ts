// Activities of the sandbox-runner, as the orchestrator calls them. Types and names only.
//
// `placeSession` is polled on one shared queue by every runner with a free slot; everything else runs on the queue of the host it
// answered. Results are references and small facts, never output.

import type { CommandResult, CommandSpec } from './commands.ts';
import type { Environment, RepositoryRef } from './environment.ts';

export const placementTaskQueue = 'sandbox-runner';

export function hostTaskQueue(runnerId: string): string {
  return `sandbox-runner.${runnerId}`;
}

/** Which sandbox is meant. A runner refuses a generation older than the newest it has seen for the session. */
export interface SandboxRef {
  organizationId: string;
  projectId: string;
  sessionId: string;
  partition: number;
  generation: number;
}

export interface PlaceInput {
  sessionId: string;
  environment: Environment;
}

export interface Placement {
  runnerId: string;
  hostQueue: string;
}

export interface OpenSandboxInput extends SandboxRef {
  repository: RepositoryRef;
  baseRef: string | null;
  branch: string;
  environment: Environment;
}

export interface OpenedSandbox {
  /** "new": made from the repository. "volume": what an earlier generation left on this host. */
  from: 'new' | 'volume';
  baseCommit: string;
  headCommit: string;
}

export interface RunCommandInput extends SandboxRef {
  command: CommandSpec;
  /** What a command needs of its session's environment. The rest would stand in the workflow's history once for each command. */
  environment: Pick<Environment, 'env'> & { resources: Pick<Environment['resources'], 'outputBytesMax'> };
  /** The session's own variables. */
  env: Record<string, string>;
  cancelGraceSeconds: number;
  /** command.queued is in the history, or may be, and what follows it too: the runner looks. Else it writes it. */
  queuedRecorded: boolean;
  /**
   * Set when the command was canceled: if it never started, its end (`canceled`, with this reason) is
   * written down without starting it; if it runs, it is stopped as by a cancel.
   */
  cancelReason: string | null;
}

export interface PlacementActivities {
  /** Fails retryably with type `no_free_slot`. */
  placeSession(input: PlaceInput): Promise<Placement>;
}

export interface SandboxActivities {
  /**
   * Makes or reopens the session's sandbox. Idempotent. Fails for good with a SessionFailureCode as type, and retryably with
   * `no_free_slot` or `no_disk_space`.
   */
  openSandbox(input: OpenSandboxInput): Promise<OpenedSandbox>;
  /**
   * Runs a command, or attaches to it when it was started before, until its end is in the stream. Fails for good with type
   * `sandbox_gone` only when the sandbox is not there and the command was never started in it, and retryably with `no_disk_space`.
   */
  runCommand(input: RunCommandInput): Promise<CommandResult>;
  /** Removes container, volumes and directories of a session. Idempotent. */
  removeSandbox(input: SandboxRef): Promise<void>;
}

/** Failure type: reopen the sandbox, then schedule the command again. */
export const sandboxGone = 'sandbox_gone';
export const noFreeSlot = 'no_free_slot';
/** Retryable failure type: the host's free space is below the operator's reserve. */
export const noDiskSpace = 'no_disk_space';
export type { CommandSpec };
