// The one schedule of a cluster that starts the workflow `reconcile`: made by whichever orchestrator starts first, found by the others.

import { setTimeout as delay } from 'node:timers/promises';
import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import { workflowTaskQueue } from '@worktrail/contract/session-messages';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';

const tryMs = 5_000;
const againMs = 5_000;
export const reconcileSchedule = 'reconcile';

/** Tries until it is there: Temporal may be away when an orchestrator starts. */
export function keepReconcileSchedule(client: Client, lifetime: Lifetime, log: Logger): void {
  const { signal } = lifetime;
  const making = (async () => {
    while (!signal.aborted) {
      try {
        return await client.withDeadline(Date.now() + tryMs, () => ensureReconcileSchedule(client));
      } catch (err) {
        log.warn({ err }, 'the schedule of reconciliations could not be made');
        await delay(againMs, undefined, { signal }).catch(() => undefined);
      }
    }
  })();
  lifetime.onClose('schedule of reconciliations', () => making);
}

async function ensureReconcileSchedule(client: Client): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId: reconcileSchedule,
      spec: { intervals: [{ every: '10 minutes' }] },
      action: {
        type: 'startWorkflow',
        workflowType: 'reconcile',
        workflowId: 'reconcile',
        args: [],
        taskQueue: workflowTaskQueue,
        workflowExecutionTimeout: '20 minutes',
      },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
    });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
}
