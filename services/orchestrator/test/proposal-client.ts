// A proposal of a test: started and spoken to as the gateway does it.

import type { WorkflowHandle } from '@temporalio/client';
import type { ApprovalPolicy, ProposalDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import * as messages from '@worktrail/contract/proposal-messages';
import {
  captureFiles,
  type CapturedFiles,
  type ProposalSource,
  workflowTaskQueue,
} from '@worktrail/contract/session-messages';
import { projectKey, proposalKey } from '@worktrail/contract/subjects';
import type { Event } from '@worktrail/proto/event';
import type { ContinuedProposal } from '../src/proposal/workflow.ts';
import type { OrchestratorBed } from './orchestrator-bed.ts';
import { sampleSession } from './samples.ts';
import { type SessionClient, untilBoth } from './session-client.ts';

export interface ProposalClient {
  spec: messages.ProposalSpec;
  handle: WorkflowHandle;
  describe(): Promise<ProposalDocument>;
  approve(by: string): Promise<ProposalDocument>;
  reject(by: string): Promise<ProposalDocument>;
  merge(by: string): Promise<ProposalDocument>;
  close(by: string): Promise<ProposalDocument>;
  again(source: ProposalSource, requestId?: string): Promise<ProposalDocument>;
  changePolicy(policy: Partial<ApprovalPolicy>): Promise<ProposalDocument>;
  untilState(...states: ProposalDocument['state'][]): Promise<ProposalDocument>;
  /** Its own events in the session's history, by type. */
  history(): Promise<string[]>;
  /** Waits for the workflow's end; the read model as it is then. */
  ended(): Promise<ProposalDocument>;
}

const defaults: ApprovalPolicy = {
  requiredApprovals: 1,
  authorMayApprove: false,
  requiredChecks: ['exit 0'],
  mergeMethod: 'merge',
};

export async function captured(session: SessionClient, borrower: string = newId('proposal')): Promise<ProposalSource> {
  const request = { checkpointId: newId('checkpoint'), label: '', borrower };
  const { source } = await session.handle.executeUpdate<CapturedFiles, [object]>(captureFiles, { args: [request] });
  return source;
}

export async function startProposal(
  bed: OrchestratorBed,
  session: SessionClient,
  policy: Partial<ApprovalPolicy> = {},
  continued?: ContinuedProposal,
): Promise<ProposalClient> {
  const { organizationId, projectId, sessionId } = session.spec;
  let now: messages.VersionedPolicy = { version: 1, policy: { ...defaults, ...policy } };
  const store = () =>
    bed.configuration.put(
      projectKey(organizationId, projectId),
      JSON.stringify({ approval: now.policy, approvalVersion: now.version }),
    );
  await store();
  const proposalId = newId('proposal');
  const spec: messages.ProposalSpec = {
    ...{ organizationId, projectId, sessionId, partition: 0, generation: 1, proposalId, title: 'A title' },
    ...{ description: '', author: { id: 'prn_author', name: 'A' }, openedBy: { id: 'prn_opener', name: 'O' } },
    ...{ source: await captured(session, proposalId), policy: now, branch: session.spec.branch },
    checkSession: sampleSession({ organizationId, projectId }),
    createdAt: '2026-01-01T00:00:00.000Z',
  };
  const { workflowId } = await bed.client.workflow.start(messages.proposalWorkflow, {
    workflowId: messages.proposalWorkflowId(proposalId),
    taskQueue: workflowTaskQueue,
    args: continued ? [spec, continued] : [spec],
  });
  const handle = bed.client.workflow.getHandle(workflowId);
  const decide = (update: string) => (by: string) => {
    const decision = { by: { id: by, name: by }, comment: '', headCommit: null, policy: now };
    return handle.executeUpdate<ProposalDocument, [messages.ProposalDecision]>(update, { args: [decision] });
  };
  const describe = () => handle.query<ProposalDocument>(messages.describeProposal);
  const stored = async () =>
    (await bed.proposals.get(proposalKey(organizationId, proposalId)))?.json<ProposalDocument>();
  return {
    spec,
    handle,
    describe,
    approve: decide(messages.approveProposal),
    reject: decide(messages.rejectProposal),
    merge: decide(messages.mergeProposal),
    close: decide(messages.closeProposal),
    again: (source, requestId = newId('event')) =>
      handle.executeUpdate<ProposalDocument, [messages.ProposeAgain]>(messages.proposeAgain, {
        args: [{ requestId, source, by: spec.openedBy, title: null, description: null, policy: now }],
      }),
    changePolicy: async (changes) => {
      now = { version: now.version + 1, policy: { ...now.policy, ...changes } };
      await store();
      return await handle.executeUpdate<ProposalDocument, [messages.VersionedPolicy]>(messages.changePolicy, {
        args: [now],
      });
    },
    untilState: (...states) => untilBoth(stored, describe, ({ state }) => states.includes(state)),
    history: async () =>
      (await bed.events(sessionId))
        .filter((event: Event) => event.producer === proposalId)
        .map(({ payload }) => payload.case ?? 'none'),
    ended: async () => {
      await handle.result();
      return (await stored())!;
    },
  };
}
