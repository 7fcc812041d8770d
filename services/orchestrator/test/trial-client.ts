// A trial of a test: started and asked as the gateway does it.

import type { WorkflowHandle } from '@temporalio/client';
import type { TrialDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { workflowTaskQueue } from '@worktrail/contract/session-messages';
import { trialKey } from '@worktrail/contract/subjects';
import * as messages from '@worktrail/contract/trial-messages';
import type { ContinuedTrial } from '../src/trial/workflow.ts';
import type { OrchestratorBed } from './orchestrator-bed.ts';
import { sampleSession } from './samples.ts';

export interface TrialClient {
  spec: messages.TrialSpec;
  handle: WorkflowHandle;
  describe(): Promise<TrialDocument>;
  cancel(): Promise<TrialDocument>;
  /** The read model. */
  recorded(): Promise<TrialDocument | undefined>;
  /** Waits for the workflow's end; the read model as it is then. */
  ended(): Promise<TrialDocument>;
}

/** `attempts`: the commands of each, and the message. */
export function sampleTrial(
  attempts: (string[] | Pick<messages.TrialAttempt, 'commands' | 'message'>)[],
  changes: Partial<messages.TrialSpec> = {},
): messages.TrialSpec {
  const { organizationId, projectId } = sampleSession();
  const trialId = newId('trial');
  return {
    organizationId,
    projectId,
    taskId: newId('task'),
    trialId,
    name: 'two ways',
    attempts: attempts.map((attempt, index) => ({
      session: sampleSession({ organizationId, projectId, trialId, title: `attempt ${index + 1}` }),
      ...(Array.isArray(attempt) ? { commands: attempt } : attempt),
    })),
    verify: [],
    maxParallel: 4,
    createdAt: '2026-01-01T00:00:00.000Z',
    createdBy: { kind: 'user', id: 'prn_someone' },
    ...changes,
  };
}

export async function startTrial(
  bed: OrchestratorBed,
  spec: messages.TrialSpec,
  continued?: ContinuedTrial,
): Promise<TrialClient> {
  const { workflowId } = await bed.client.workflow.start(messages.trialWorkflow, {
    workflowId: messages.trialWorkflowId(spec.trialId),
    taskQueue: workflowTaskQueue,
    args: continued ? [spec, continued] : [spec],
  });
  const handle = bed.client.workflow.getHandle(workflowId);
  const recorded = async () =>
    (await bed.trials.get(trialKey(spec.organizationId, spec.trialId)))?.json<TrialDocument>();
  return {
    spec,
    handle,
    describe: () => handle.query<TrialDocument>(messages.describeTrial),
    cancel: () => handle.executeUpdate<TrialDocument, []>(messages.cancelTrial),
    recorded,
    ended: async () => {
      await handle.result();
      return (await recorded())!;
    },
  };
}
