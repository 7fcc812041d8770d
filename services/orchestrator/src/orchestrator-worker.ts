// The worker of the orchestrator's task queue: workflow tasks, the recording activities and the agent's.
//
// A burst of commands is many short workflow tasks at once: there are slots for all of them, and enough pollers to keep the
// slots fed. What is held in memory is bounded by `cachedWorkflowsMax`, because the isolates share this process's memory.

import type { NativeConnection, Worker } from '@temporalio/worker';
import { workflowTaskQueue } from '@worktrail/contract/session-messages';
import type { AgentActivities } from './agent/agent-activities.ts';
import type { ReconcileActivities } from './reconcile/workflow.ts';
import type { RecordActivities } from './record-activities.ts';
import type { ScanRecordActivities } from './scan/activities.ts';
import type { SuggestActivities } from './scan/model-suggestions.ts';
import type { WebhookActivities } from './webhooks/workflow.ts';
import { WatchedWorker } from './workflow-watch.ts';
import type { WorkflowBundle } from './workflow-bundle.ts';

export interface OrchestratorWorkerDeps {
  connection: NativeConnection;
  namespace: string;
  bundle: WorkflowBundle;
  activities: RecordActivities &
    ReconcileActivities &
    AgentActivities &
    SuggestActivities &
    ScanRecordActivities &
    WebhookActivities;
  cachedWorkflowsMax: number;
}

/** Most of them are calls of models, which wait for the network; what is recorded is not to wait for those. */
const activitiesAtOnceMax = 2_000;

export async function createOrchestratorWorker(deps: OrchestratorWorkerDeps): Promise<Worker> {
  return await WatchedWorker.create({
    connection: deps.connection,
    namespace: deps.namespace,
    taskQueue: workflowTaskQueue,
    workflowBundle: deps.bundle,
    activities: deps.activities,
    maxCachedWorkflows: deps.cachedWorkflowsMax,
    // How long a session waits for a worker that was killed before another takes it over, from its history.
    stickyQueueScheduleToStartTimeout: '2 seconds',
    maxConcurrentWorkflowTaskExecutions: 120,
    workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 20 },
    maxConcurrentActivityTaskExecutions: activitiesAtOnceMax,
    // A cancel reaches a call of a model with its beats.
    maxHeartbeatThrottleInterval: '500 milliseconds',
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
    shutdownGraceTime: '5 seconds',
  });
}
