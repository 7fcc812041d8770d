// Placing a session on a host, opening its sandbox there, removing it.

import { ActivityCancellationType, isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { RestorePoint } from '@worktrail/contract/checkpoints';
import { type SessionFailureCode, sessionFailureCodes } from '@worktrail/contract/errors';
import {
  noDiskSpace,
  noFreeSlot,
  type PlaceInput,
  type Placement,
  type PlacementActivities,
  placementTaskQueue,
  runnerDraining,
  runnerStopping,
  type SandboxActivities,
} from '@worktrail/contract/sandbox-activities';
import { failureMessage, failureType, wasNotTakenUp, wasTimedOut } from '../../activity-failure.ts';
import { branchesOf } from '../forks.ts';
import { isMovable } from '../hibernation.ts';
import {
  hostIsFull,
  isWaitTold,
  opened,
  placed,
  placementGivenUp,
  preparationFailed,
  sandboxLeftBehind,
  sandboxRemoved,
  waitedForPlace,
} from '../life.ts';
import { isPreparing } from '../phases.ts';
import { sandboxRef } from '../record.ts';
import { now } from '../../workflow-clock.ts';
import type { SessionRun } from '../run.ts';
import type { SessionState } from '../state.ts';

const failureDetailLengthMax = 2_000;
const unexpectedFailureDelay = '10 seconds';
/** How long a host that has no slot or does not answer is asked before the session goes elsewhere. */
const hostPatienceMs = 10_000;
const hostRetryDelay = '1 second';
/** A wait for a place that is shorter is not worth telling. */
const quietWaitMs = 5_000;
const hostRefusals: readonly string[] = [noFreeSlot, noDiskSpace, runnerDraining, runnerStopping];

export function placeSession({ state, background }: SessionRun): void {
  const { organizationId, sessionId, environment } = state.spec;
  const { generation } = state;
  const input = { organizationId, sessionId, environment, waitingSince: state.waitingForPlaceSince };
  background.begin('sandbox', async () => {
    try {
      placed(state, await askForPlace(state, input), now());
    } catch (error) {
      failForGood(state, generation, error);
    }
  });
}

/** A wait that lasts is told to the history; who waits on is left to the server. */
async function askForPlace(state: SessionState, input: PlaceInput): Promise<Placement> {
  if (isWaitTold(state)) return placing({ scheduleToStartTimeout: '10 minutes' }).placeSession(input);
  try {
    return await placing({ scheduleToCloseTimeout: quietWaitMs }).placeSession(input);
  } catch (error) {
    const isRefused = failureType(error) === noFreeSlot;
    if (isCancellation(error) || !(isRefused || wasTimedOut(error))) throw error;
    waitedForPlace(state, isRefused ? failureMessage(error) : 'no runner has taken the session', now());
    return placing({ scheduleToStartTimeout: '10 minutes' }).placeSession(input);
  }
}

function placing(
  patience: { scheduleToStartTimeout: Duration } | { scheduleToCloseTimeout: Duration },
): PlacementActivities {
  return proxyActivities<PlacementActivities>({
    taskQueue: placementTaskQueue,
    startToCloseTimeout: '30 seconds',
    ...patience,
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 1.5, maximumInterval: '2 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
}

/**
 * A host that has no slot, or does not answer, is waited for only where the files cannot come from elsewhere. That wait is left to the
 * server, so that it does not lengthen the history. One that drains is left at once.
 */
export function openSandbox({ state, background }: SessionRun): void {
  const ref = sandboxRef(state);
  const { repository, baseRef, environment } = state.spec;
  const { filesGeneration } = state;
  const files = { restore: restorePoint(state), filesGeneration };
  const input = { ...ref, repository, baseRef, ...branchesOf(state), environment, ...files };
  background.begin('sandbox', async () => {
    for (const deadlineMs = Date.now() + hostPatienceMs; ; ) {
      // What still ran in the sandbox before may have ended since.
      const isBound = !isMovable(state);
      const open = onHost(state, {
        scheduleToStartTimeout: isBound ? '10 minutes' : hostPatienceMs,
        refusals: isBound && isWaitTold(state) ? [] : hostRefusals,
      }).openSandbox;
      try {
        const { waitingForPlaceSince: waitingSince } = state;
        return opened(state, ref.generation, await open({ ...input, onlyHere: isBound, waitingSince }), now());
      } catch (error) {
        // What a runner says of a generation that was given up since, or of a session that was put to sleep, is void.
        if (isCancellation(error) || ref.generation !== state.generation || !isPreparing(state)) return;
        const isFull = hostRefusals.includes(failureType(error) ?? '');
        if (!isFull && !wasNotTakenUp(error)) return failForGood(state, ref.generation, error);
        if (isFull) hostIsFull(state, now());
        const waitsSince = state.waitingForPlaceSince;
        if (waitsSince !== null && Date.parse(waitsSince) + quietWaitMs <= Date.now())
          waitedForPlace(state, failureMessage(error), now());
        const isDraining = failureType(error) === runnerDraining;
        if (!isBound && (isDraining || Date.now() >= deadlineMs)) return placementGivenUp(state, now());
        if (isFull) await sleep(hostRetryDelay);
      }
    }
  });
}

function restorePoint(state: SessionState): RestorePoint | null {
  if (state.baseCommit === null) return null;
  const { baseCommit, checkpoint, bundles, archive } = state;
  return { baseCommit, checkpoint, bundles, archive };
}

export function removeSandbox({ state, background }: SessionRun): void {
  const ref = sandboxRef(state);
  background.begin('sandbox', async () => {
    try {
      await onHost(state, { scheduleToStartTimeout: '15 seconds', refusals: [] }).removeSandbox(ref);
      sandboxRemoved(state, ref.generation);
    } catch (error) {
      if (isCancellation(error)) return;
      if (wasNotTakenUp(error)) return sandboxLeftBehind(state);
      log.warn('a runner could not remove a sandbox; it is asked again', { reason: failureMessage(error) });
      await sleep(unexpectedFailureDelay);
    }
  });
}

interface HostPatience {
  scheduleToStartTimeout: Duration;
  /** Failure types that the server is not to retry. */
  refusals: readonly string[];
}

function onHost(state: SessionState, { scheduleToStartTimeout, refusals }: HostPatience): SandboxActivities {
  return proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    startToCloseTimeout: '1 hour',
    scheduleToStartTimeout,
    heartbeatTimeout: '10 seconds',
    retry: {
      initialInterval: '500 milliseconds',
      backoffCoefficient: 2,
      maximumInterval: '10 seconds',
      nonRetryableErrorTypes: [...refusals],
    },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
}

/** The server retries what can be retried; what reaches the workflow is for good, unless nobody took it up. */
function failForGood(state: SessionState, generation: number, error: unknown): void {
  if (isCancellation(error) || wasNotTakenUp(error)) return;
  const type = failureType(error);
  const code = sessionFailureCodes.find((candidate) => candidate === type) ?? 'internal';
  const detail = failureMessage(error).slice(0, failureDetailLengthMax);
  preparationFailed(state, generation, code satisfies SessionFailureCode, detail, now());
}
