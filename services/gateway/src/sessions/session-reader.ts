// Sessions as they are read: the document in the bucket, and the workflow's own word where it is asked for.

import type { KV } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import { describeSession, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { sessionKey } from '@worktrail/contract/subjects';
import { createDocument, readDocument } from '@worktrail/runtime/buckets';
import type { HistoryScope } from '../events/history.ts';
import { type Action, authorize, type Principal } from '../authorize.ts';
import { callTimeoutsMs, within } from '../deadline.ts';
import { notFound } from '../problem.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface OpenedSession {
  document: SessionDocument;
  scope: HistoryScope;
}

export interface SessionReader {
  /** The session's document, if the principal may do this to it. */
  open(principal: Principal, sessionId: string, action: Action): Promise<OpenedSession>;
  /** The newest there is: the workflow's where it answers in time, else the document. */
  newest(document: SessionDocument): Promise<SessionDocument>;
  find(organizationId: string, sessionId: string): Promise<SessionDocument | undefined>;
  /** The first document of a session; where there is one already, nothing happens. */
  announce(document: SessionDocument): Promise<void>;
}

export function createSessionReader(bucket: KV, workflows: Pick<WorkflowClient, 'query'>): SessionReader {
  const find = async (organizationId: string, sessionId: string) => {
    const key = sessionKey(organizationId, sessionId);
    const stored = await within('nats', callTimeoutsMs.nats, () => readDocument<SessionDocument>(bucket, key));
    return stored?.value;
  };
  return {
    find,
    async open(principal, sessionId, action) {
      const document = await find(principal.organizationId, sessionId);
      if (!document) throw notFound(sessionId);
      authorize(principal, action, document);
      return { document, scope: scopeOf(document) };
    },
    async newest(document) {
      if (document.state === 'archived') return document;
      const workflowId = sessionWorkflowId(document.id);
      const described = await workflows.query<SessionDocument>(workflowId, describeSession, []).catch(() => undefined);
      const newer = described ?? (await find(document.organizationId, document.id));
      return newer && newer.version >= document.version ? newer : document;
    },
    async announce(document) {
      const key = sessionKey(document.organizationId, document.id);
      await within('nats', callTimeoutsMs.nats, () => createDocument(bucket, key, document));
    },
  };
}

export function scopeOf({ partition, organizationId, id, inherited }: SessionDocument): HistoryScope {
  return { partition, organizationId, sessionId: id, inherited };
}
