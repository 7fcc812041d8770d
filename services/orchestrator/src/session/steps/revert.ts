// Making the files as they were, on the session's host: what can be tried again the server tries again, within a bound.

import { ActivityCancellationType, isCancellation, log, proxyActivities } from '@temporalio/workflow';
import { checkpointMissing, type SandboxActivities, sandboxGone } from '@worktrail/contract/sandbox-activities';
import { failureMessage, failureType, wasNotTakenUp } from '../../activity-failure.ts';
import { now } from '../../workflow-clock.ts';
import { branchesOf } from '../forks.ts';
import { filesNotReverted } from '../life.ts';
import { sandboxRef } from '../record.ts';
import { filesReverted } from '../reverts.ts';
import type { SessionRun } from '../run.ts';

const detailLengthMax = 500;

export function revertFiles({ state, background }: SessionRun): void {
  const { plan } = state.reverting;
  const { checkpoint: from, baseCommit, bundles } = state;
  if (!plan || !from || baseCommit === null) return;
  const { checkpointId: revertId, to } = plan.request;
  const { repository } = state.spec;
  const input = { ...sandboxRef(state), revertId, to, from, baseCommit, bundles, repository, ...branchesOf(state) };
  const { revertSandbox } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    scheduleToCloseTimeout: '15 minutes',
    scheduleToStartTimeout: '1 minute',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  background.begin('reverting', async () => {
    try {
      filesReverted(state, revertId, input.generation, await revertSandbox(input));
    } catch (error) {
      // The loop asks again, for as long as the host is not lost.
      if (isCancellation(error) || wasNotTakenUp(error)) return;
      const reason = failureMessage(error).slice(0, detailLengthMax);
      log.warn('the files of a session could not be reverted', { revertId, reason });
      const isUntouched = failureType(error) === checkpointMissing;
      const before = `the files may be partly reverted, checkpoint ${from.number} has them as they were`;
      const detail = isUntouched ? reason : `${before}: ${reason}`;
      const told = { generation: input.generation, sandboxGone: failureType(error) === sandboxGone, detail };
      filesNotReverted(state, revertId, told, now());
    }
  });
}
