// Writing or deleting one file, on the session's host: what can be tried again the server tries again, within a bound.

import { ActivityCancellationType, condition, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { ErrorCode } from '@worktrail/contract/errors';
import { type SandboxActivities, sandboxGone } from '@worktrail/contract/sandbox-activities';
import { failureMessage, failureType, wasNotTakenUp } from '../../activity-failure.ts';
import { now } from '../../workflow-clock.ts';
import { fileChanged, nextFileChange } from '../file-changes.ts';
import { fileNotChanged } from '../life.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';

const refusals: readonly ErrorCode[] = ['precondition_failed', 'not_found', 'conflict'];
const detailLengthMax = 500;
/** Before a host is asked again that has no sandbox of the session, while a command that is followed there has not noticed yet. */
const goneDelay = '5 seconds';

export function makeFileChange({ state, background }: SessionRun): void {
  const next = nextFileChange(state);
  if (!next) return;
  const { actor: _, ...order } = next.request;
  const input = { ...sandboxRef(state), order, again: next.begun };
  next.begun = true;
  const { changeFile } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    scheduleToCloseTimeout: '2 minutes',
    scheduleToStartTimeout: '1 minute',
    heartbeatTimeout: '10 seconds',
    retry: {
      ...{ initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
      nonRetryableErrorTypes: [...refusals],
    },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const { changeId } = order;
  background.begin('changing', async () => {
    try {
      fileChanged(state, changeId, input.generation, await changeFile(input), now());
    } catch (error) {
      // The loop asks again, for as long as the host is not lost.
      if (isCancellation(error) || wasNotTakenUp(error)) return;
      const type = failureType(error);
      const code = refusals.find((one) => one === type) ?? 'dependency_unavailable';
      const detail = failureMessage(error).slice(0, detailLengthMax);
      const told = { generation: input.generation, sandboxGone: type === sandboxGone, code, detail };
      fileNotChanged(state, changeId, told, now());
      const isOver = () => nextFileChange(state)?.request.changeId !== changeId;
      if (told.sandboxGone) await condition(() => isOver() || told.generation !== state.generation, goneDelay);
    }
  });
}
