// Stopping the sandbox of a session whose checkpoint is stored, and archiving its volume if that can be done.

import { ActivityCancellationType, isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import type { SandboxActivities } from '@worktrail/contract/sandbox-activities';
import { failureMessage, wasNotTakenUp } from '../../activity-failure.ts';
import { now } from '../../workflow-clock.ts';
import { hibernated } from '../hibernation.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';

/** Before a host whose engine does not stop the sandbox is asked again. */
const unexpectedFailureDelay = '5 seconds';

export function hibernateSandbox({ state, background }: SessionRun): void {
  const ref = sandboxRef(state);
  const { hibernateSandbox: hibernate } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    startToCloseTimeout: '15 minutes',
    scheduleToStartTimeout: '1 minute',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumAttempts: 5 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const { environment, archiveBytesMax } = state.spec;
  background.begin('sandbox', async () => {
    try {
      hibernated(
        state,
        ref.generation,
        await hibernate({ ...ref, persist: environment.persist, archiveBytesMax }),
        now(),
      );
    } catch (error) {
      // The loop asks again, for as long as the host is not lost.
      if (isCancellation(error) || wasNotTakenUp(error)) return;
      log.warn('a volume could not be archived', { reason: failureMessage(error) });
      // It may be the stop that failed: asleep is only what has stopped.
      try {
        hibernated(state, ref.generation, await hibernate({ ...ref, persist: [], archiveBytesMax: 0 }), now());
      } catch (stillRunning) {
        if (isCancellation(stillRunning) || wasNotTakenUp(stillRunning)) return;
        log.warn('a sandbox could not be stopped', { reason: failureMessage(stillRunning) });
        await sleep(unexpectedFailureDelay);
      }
    }
  });
}
