// Proposals as they are read, and as others have to tell them something: the document in the bucket, and the workflow's own word.

import type { KV } from '@nats-io/kv';
import type { ProposalDocument } from '@worktrail/contract/documents';
import {
  changePolicy,
  describeProposal,
  proposalWorkflowId,
  type VersionedPolicy,
} from '@worktrail/contract/proposal-messages';
import { proposalKey } from '@worktrail/contract/subjects';
import { createDocument, readDocument } from '@worktrail/runtime/buckets';
import { type Action, authorize, type Principal } from '../authorize.ts';
import { openingKey, openProposalList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import { callTimeoutsMs, within } from '../deadline.ts';
import { notFound } from '../problem.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface ProposalReader {
  open(principal: Principal, proposalId: string, action: Action): Promise<ProposalDocument>;
  find(organizationId: string, proposalId: string): Promise<ProposalDocument | undefined>;
  /** The newest there is: the workflow's where it answers in time, else the document. */
  newest(document: ProposalDocument): Promise<ProposalDocument>;
  announce(document: ProposalDocument): Promise<void>;
  /** The one proposal of a session that may be open: the given one where there was none, or where `over` is the one that was. */
  opening(sessionId: string, proposalId: string, over: string | null): Promise<string>;
  /** Tells the project's open proposals. One that could not be told reads it before it merges. */
  tellPolicy(project: ProjectDocument): Promise<void>;
}

const toldAtOnceMax = 20;

interface Opening {
  proposalId: string;
}

export function policyOf(project: ProjectDocument): VersionedPolicy {
  return { version: project.approvalVersion ?? 1, policy: project.approval };
}

export function isOver({ state }: Pick<ProposalDocument, 'state'>): boolean {
  return state === 'merged' || state === 'rejected' || state === 'closed';
}

export function createProposalReader(
  bucket: KV,
  store: ConfigurationStore,
  workflows: Pick<WorkflowClient, 'query' | 'update'>,
): ProposalReader {
  const find = async (organizationId: string, proposalId: string) => {
    const key = proposalKey(organizationId, proposalId);
    const stored = await within('nats', callTimeoutsMs.nats, () => readDocument<ProposalDocument>(bucket, key));
    return stored?.value;
  };
  const tell = async (project: ProjectDocument, proposalId: string) => {
    const document = await find(project.organizationId, proposalId);
    if (document && !isOver(document)) {
      const told = workflows.update(proposalWorkflowId(proposalId), changePolicy, [policyOf(project)]);
      await told.catch(() => undefined);
    } else if (document) await store.remove(`${openProposalList(project.id)}.${proposalId}`);
  };
  return {
    find,
    async open(principal, proposalId, action) {
      const document = await find(principal.organizationId, proposalId);
      if (!document) throw notFound(proposalId);
      authorize(principal, action, document);
      return document;
    },
    async newest(document) {
      if (isOver(document)) return document;
      const described = await workflows
        .query<ProposalDocument>(proposalWorkflowId(document.id), describeProposal, [])
        .catch(() => undefined);
      const newer = described ?? (await find(document.organizationId, document.id));
      return newer && newer.version >= document.version ? newer : document;
    },
    async announce(document) {
      const key = proposalKey(document.organizationId, document.id);
      await within('nats', callTimeoutsMs.nats, () => createDocument(bucket, key, document));
    },
    async opening(sessionId, proposalId, over) {
      const { value } = await store.create<Opening>(openingKey(sessionId), { proposalId });
      if (over === null || value.proposalId !== over) return value.proposalId;
      const make = (now: Opening) => (now.proposalId === over ? { proposalId } : now);
      return (await store.change<Opening>(openingKey(sessionId), null, make)).value.proposalId;
    },
    async tellPolicy(project) {
      const ids = await store.names(openProposalList(project.id));
      for (let from = 0; from < ids.length; from += toldAtOnceMax) {
        await Promise.all(ids.slice(from, from + toldAtOnceMax).map((proposalId) => tell(project, proposalId)));
      }
    },
  };
}
