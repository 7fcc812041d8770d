// Trials as they are read: the document in the bucket, and the workflow's own word.

import type { KV } from '@nats-io/kv';
import type { TrialDocument } from '@worktrail/contract/documents';
import { trialKey } from '@worktrail/contract/subjects';
import { describeTrial, trialWorkflowId } from '@worktrail/contract/trial-messages';
import { createDocument, readDocument } from '@worktrail/runtime/buckets';
import { type Action, authorize, type Principal } from '../authorize.ts';
import { callTimeoutsMs, within } from '../deadline.ts';
import { type DocumentWait, untilDocument } from '../document-wait.ts';
import { invalid, notFound } from '../problem.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface TrialReader {
  open(principal: Principal, trialId: string, action: Action): Promise<TrialDocument>;
  find(organizationId: string, trialId: string): Promise<TrialDocument | undefined>;
  /** The newest there is: the workflow's where it answers in time, else the document. */
  newest(document: TrialDocument): Promise<TrialDocument>;
  /** Until it has ended, or the time is over, or the signal says so: the newest that is known then. */
  untilEnded(document: TrialDocument, wait: DocumentWait): Promise<TrialDocument>;
  announce(document: TrialDocument): Promise<void>;
  /** @throws validation_failed at `trialId` when the project has no such trial. */
  mustBelong(principal: Principal, trialId: string, projectId: string): Promise<TrialDocument>;
}

export function createTrialReader(bucket: KV, workflows: Pick<WorkflowClient, 'query'>): TrialReader {
  const find = async (organizationId: string, trialId: string) => {
    const key = trialKey(organizationId, trialId);
    const stored = await within('nats', callTimeoutsMs.nats, () => readDocument<TrialDocument>(bucket, key));
    return stored?.value;
  };
  return {
    find,
    async open(principal, trialId, action) {
      const document = await find(principal.organizationId, trialId);
      if (!document) throw notFound(trialId);
      authorize(principal, action, document);
      return document;
    },
    async newest(document) {
      if (document.state !== 'running') return document;
      const described = await workflows
        .query<TrialDocument>(trialWorkflowId(document.id), describeTrial, [])
        .catch(() => undefined);
      // What is recorded tells of the newest commands sooner.
      return described && described.version > document.version ? described : document;
    },
    untilEnded: (document, wait) =>
      untilDocument(
        bucket,
        trialKey(document.organizationId, document.id),
        document,
        ({ state }) => state !== 'running',
        wait,
      ),
    async announce(document) {
      const key = trialKey(document.organizationId, document.id);
      await within('nats', callTimeoutsMs.nats, () => createDocument(bucket, key, document));
    },
    async mustBelong(principal, trialId, projectId) {
      const document = await find(principal.organizationId, trialId);
      if (document?.projectId === projectId) return document;
      throw invalid({ path: 'trialId', message: 'is no trial of the project' });
    },
  };
}
