// The workflow `reconcile`: one look at everything that belongs to no host. A schedule starts it.

import { proxyActivities } from '@temporalio/workflow';

export interface ReconcileActivities {
  /** How much was found, and how much of it set right. */
  reconcile(): Promise<{ found: number; removed: number; failed: number }>;
}

export async function reconcile(): Promise<void> {
  const activities = proxyActivities<ReconcileActivities>({
    startToCloseTimeout: '8 minutes',
    retry: { maximumAttempts: 2 },
  });
  await activities.reconcile();
}
