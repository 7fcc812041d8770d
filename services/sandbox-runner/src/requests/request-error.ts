// What an error of the runner's own means for who asked over its HTTP API.

import { WorktrailError } from '@worktrail/contract/errors';
import { isStoreAway } from '../artifacts/store-away.ts';
import { SandboxGone } from '../commands/command-execution.ts';
import { ThreadLost } from '../context/index-thread.ts';
import { NoDiskSpace } from '../host/disk-space.ts';
import { RunnerDraining } from '../sandboxes/sandboxes.ts';
import { SessionFailure, StaleGeneration, UpstreamAway } from '../sessions/session-failure.ts';
import { SupervisorError } from '../supervision/supervisor-control.ts';

export function requestError(error: unknown): WorktrailError {
  if (error instanceof WorktrailError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const isAway =
    error instanceof SandboxGone ||
    error instanceof RunnerDraining ||
    error instanceof StaleGeneration ||
    error instanceof NoDiskSpace ||
    error instanceof ThreadLost ||
    error instanceof UpstreamAway ||
    (error instanceof SupervisorError && error.retryable) ||
    isStoreAway(error);
  if (isAway) return new WorktrailError('dependency_unavailable', detail, { cause: error });
  if (error instanceof SessionFailure) return new WorktrailError('conflict', detail, { cause: error });
  return new WorktrailError('internal', detail.slice(0, 500), { cause: error });
}
