// The runner's activities as Temporal calls them: what each error means for the workflow is decided here.

import { ApplicationFailure, Context } from '@temporalio/activity';
import {
  noFreeSlot,
  type PlacementActivities,
  type SandboxActivities,
  sandboxGone,
} from '@worktrail/contract/sandbox-activities';
import { SandboxGone } from './command-execution.ts';
import { type ActivityRun, Detached, type LiveCommands } from './live-commands.ts';
import { NoFreeSlot, type Placements } from './placement.ts';
import { RunnerDraining, type Sandboxes } from './sandboxes.ts';
import { SessionFailure, StaleGeneration } from './session-failure.ts';

export interface SandboxActivityDeps {
  sandboxes: Sandboxes;
  commands: LiveCommands;
}

export function createPlacementActivities(placements: Placements): PlacementActivities {
  return { placeSession: (input) => withFailures(async () => placements.place(input)) };
}

export function createSandboxActivities({ sandboxes, commands }: SandboxActivityDeps): SandboxActivities {
  return {
    openSandbox: (input) =>
      withFailures(() => beating(currentRun(), (activity) => sandboxes.open(input, activity.signal))),
    runCommand: (input) => withFailures(() => commands.run(input, currentRun())),
    removeSandbox: (input) => withFailures(() => sandboxes.remove(input)),
  };
}

/** Three heartbeats fit into the time after which their absence counts. */
function currentRun(): ActivityRun {
  const context = Context.current();
  const timeoutMs = context.info.heartbeatTimeoutMs ?? 15_000;
  return {
    heartbeat: () => context.heartbeat(),
    heartbeatEveryMs: Math.min(5_000, Math.max(250, timeoutMs / 3)),
    signal: context.cancellationSignal,
    cancelRequested: () => context.cancellationDetails?.cancelRequested === true,
  };
}

async function beating<T>(activity: ActivityRun, work: (activity: ActivityRun) => Promise<T>): Promise<T> {
  const beat = setInterval(() => activity.heartbeat(), activity.heartbeatEveryMs);
  try {
    return await work(activity);
  } finally {
    clearInterval(beat);
  }
}

async function withFailures<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toFailure(error);
  }
}

export function toFailure(error: unknown): unknown {
  if (error instanceof SessionFailure) return ApplicationFailure.nonRetryable(error.message, error.code);
  if (error instanceof SandboxGone) return ApplicationFailure.nonRetryable(error.message, sandboxGone);
  if (error instanceof StaleGeneration) return ApplicationFailure.nonRetryable(error.message, 'stale_generation');
  if (error instanceof NoFreeSlot) return ApplicationFailure.retryable(error.message, noFreeSlot);
  if (error instanceof Detached) return ApplicationFailure.retryable(error.message, 'detached');
  if (error instanceof RunnerDraining) return ApplicationFailure.retryable(error.message, 'runner_draining');
  return error;
}
