// Bringing the default branch into the session, on its host, within a bound. A host that is lost meanwhile is not waited for.

import { ApplicationFailure } from '@temporalio/common';
import { ActivityCancellationType, condition, proxyActivities } from '@temporalio/workflow';
import type { ErrorCode } from '@worktrail/contract/errors';
import { type SandboxActivities, updateRefused } from '@worktrail/contract/sandbox-activities';
import type { UpdatedFiles, UpdateMethod } from '@worktrail/contract/session-messages';
import { failureMessage, failureType } from '../../activity-failure.ts';
import { now } from '../../workflow-clock.ts';
import { filesTouched } from '../checkpoints.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';

const detailLengthMax = 500;

/** @throws ApplicationFailure of a code of the contract: `conflict` where git would not begin. */
export async function updateSandbox({ state, background }: SessionRun, method: UpdateMethod): Promise<UpdatedFiles> {
  if (state.phase !== 'ready' || !state.sandboxOpen) throw gone();
  const ref = sandboxRef(state);
  const { repository } = state.spec;
  const { updateSandbox: update } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    scheduleToCloseTimeout: '10 minutes',
    scheduleToStartTimeout: '10 seconds',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumAttempts: 3 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  let updated: UpdatedFiles | undefined;
  let failure: unknown;
  // However it ends, also where nobody says how.
  const { uncheckpointedSince } = state;
  filesTouched(state, now());
  background.begin('updating', async () => {
    try {
      updated = await update({ ...ref, method, repository });
    } catch (error) {
      failure = error;
    }
  });
  await condition(() => !background.has('updating') || ref.generation !== state.generation);
  const isRefused = failureType(failure) === updateRefused;
  if (isRefused || updated?.outcome === 'up_to_date') state.uncheckpointedSince = uncheckpointedSince;
  if (updated) return updated;
  background.abandon('updating');
  if (failure === undefined) throw gone();
  throw refuse(isRefused ? 'conflict' : 'dependency_unavailable', failureMessage(failure).slice(0, detailLengthMax));
}

function gone(): ApplicationFailure {
  return refuse('dependency_unavailable', 'the sandbox was lost meanwhile');
}

function refuse(code: ErrorCode, detail: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(detail, code);
}
