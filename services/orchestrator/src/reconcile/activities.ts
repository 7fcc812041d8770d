// The activity of the workflow `reconcile`.

import type { Reconciliation } from './reconciliation.ts';
import type { ReconcileActivities } from './workflow.ts';

export function createReconcileActivities(reconciliation: Reconciliation): ReconcileActivities {
  return {
    async reconcile() {
      const { findings, removed, failed } = await reconciliation.examine({ fix: true, mayFix: () => true });
      return { found: findings.length + removed.length, removed: removed.length, failed: failed.length };
    },
  };
}
