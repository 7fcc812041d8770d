// Making the planned checkpoint on the session's host, within a bound that depends on who waits for it.

import { ActivityCancellationType, isCancellation, log, proxyActivities } from '@temporalio/workflow';
import { type SandboxActivities, sandboxGone } from '@worktrail/contract/sandbox-activities';
import { failureMessage, failureType } from '../../activity-failure.ts';
import { now } from '../../workflow-clock.ts';
import { checkpointInput, checkpointMade } from '../checkpoints.ts';
import { checkpointNotMade } from '../life.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';
import type { CheckpointPlan } from '../state.ts';

/** All attempts together. */
const timesMax = {
  automatic: '5 minutes',
  asked: '50 seconds',
  hibernation: '2 minutes',
  archive: '8 seconds',
  beforeRevert: '50 seconds',
  revert: '50 seconds',
} as const satisfies Record<CheckpointPlan['purpose'], string>;

const detailLengthMax = 500;

export function makeCheckpoint({ state, background }: SessionRun): void {
  const { plan } = state.checkpointing;
  if (!plan) return;
  const input = { ...sandboxRef(state), ...checkpointInput(state, plan) };
  const { checkpointSandbox } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    scheduleToCloseTimeout: timesMax[plan.purpose],
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  background.begin('checkpoint', async () => {
    try {
      checkpointMade(state, plan.id, await checkpointSandbox(input), input.compact, now());
    } catch (error) {
      if (isCancellation(error)) return;
      const detail = failureMessage(error).slice(0, detailLengthMax);
      log.warn('a checkpoint could not be stored', { checkpointId: plan.id, purpose: plan.purpose, reason: detail });
      const from = { generation: input.generation, sandboxGone: failureType(error) === sandboxGone, detail };
      checkpointNotMade(state, plan.id, from, now());
    }
  });
}
