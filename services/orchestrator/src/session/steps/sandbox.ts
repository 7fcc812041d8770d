// Placing a session on a host, opening its sandbox there, removing it. Each waits for its runner as long as it takes.

import { ActivityCancellationType, isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import { type SessionFailureCode, sessionFailureCodes } from '@worktrail/contract/errors';
import {
  type PlacementActivities,
  placementTaskQueue,
  type SandboxActivities,
} from '@worktrail/contract/sandbox-activities';
import { failureMessage, failureType, wasNotTakenUp } from '../../activity-failure.ts';
import { failed, opened, placed, sandboxRemoved } from '../life.ts';
import { sandboxRef } from '../record.ts';
import { now } from '../../workflow-clock.ts';
import type { SessionRun } from '../run.ts';
import type { SessionState } from '../state.ts';

const failureDetailLengthMax = 2_000;
const unexpectedFailureDelay = '10 seconds';

export function placeSession({ state, background }: SessionRun): void {
  const { placeSession: place } = proxyActivities<PlacementActivities>({
    taskQueue: placementTaskQueue,
    startToCloseTimeout: '30 seconds',
    scheduleToStartTimeout: '10 minutes',
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 1.5, maximumInterval: '5 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const { sessionId, environment } = state.spec;
  background.begin('sandbox', async () => {
    try {
      placed(state, await place({ sessionId, environment }), now());
    } catch (error) {
      failForGood(state, error);
    }
  });
}

export function openSandbox({ state, background }: SessionRun): void {
  const ref = sandboxRef(state);
  const { repository, baseRef, branch, environment } = state.spec;
  background.begin('sandbox', async () => {
    try {
      const sandbox = await onHost(state).openSandbox({ ...ref, repository, baseRef, branch, environment });
      opened(state, ref.generation, sandbox);
    } catch (error) {
      // What a runner says of a generation that was given up since is void.
      if (ref.generation === state.generation) failForGood(state, error);
    }
  });
}

export function removeSandbox({ state, background }: SessionRun): void {
  background.begin('sandbox', async () => {
    try {
      await onHost(state).removeSandbox(sandboxRef(state));
      sandboxRemoved(state);
    } catch (error) {
      if (wasNotTakenUp(error)) return;
      log.warn('a runner could not remove a sandbox; it is asked again', { reason: failureMessage(error) });
      await sleep(unexpectedFailureDelay);
    }
  });
}

function onHost(state: SessionState): SandboxActivities {
  return proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    startToCloseTimeout: '1 hour',
    scheduleToStartTimeout: '10 minutes',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
}

/** The server retries what can be retried; what reaches the workflow is for good, unless nobody took it up. */
function failForGood(state: SessionState, error: unknown): void {
  if (isCancellation(error) || wasNotTakenUp(error)) return;
  const type = failureType(error);
  const code = sessionFailureCodes.find((candidate) => candidate === type) ?? 'internal';
  failed(state, code satisfies SessionFailureCode, failureMessage(error).slice(0, failureDetailLengthMax), now());
}
