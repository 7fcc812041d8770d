// Temporal names and messages of the proposal workflow. A constant's value is its name on the wire. Plain JSON only.
//
// It talks to the sessions in which it runs its checks by the signals that a trial uses (trial-messages.ts).

import type { ApprovalPolicy } from './documents.ts';
import type { ProposalSource, SessionSpec } from './session-messages.ts';

export const proposalWorkflow = 'proposal';

export function proposalWorkflowId(proposalId: string): string {
  return `proposal:${proposalId}`;
}

export interface Person {
  /** Principal id. */
  id: string;
  /** One line. */
  name: string;
}

/** `version` grows with every change of the policy: approvals that were given under another are void. */
export interface VersionedPolicy {
  version: number;
  policy: ApprovalPolicy;
}

export interface ProposalSpec {
  organizationId: string;
  projectId: string;
  sessionId: string;
  /** Of the session, as are its events. */
  partition: number;
  generation: number;
  proposalId: string;
  title: string;
  description: string;
  /** Whose work it is. */
  author: Person;
  /** Who put it up; like the author not among those who approve, unless the policy says so. */
  openedBy: Person;
  source: ProposalSource;
  policy: VersionedPolicy;
  /** As checks are run in: a new session of the project. Id, files and title are the workflow's to fill in. */
  checkSession: SessionSpec;
  /** The session's own. */
  branch: string;
  createdAt: string;
}

/** Update → ProposalDocument, once the head is known. */
export const awaitHead = 'awaitHead';

/** Update → ProposalDocument, once the head is known: the session's files as they are now. */
export const proposeAgain = 'proposeAgain';
export interface ProposeAgain {
  /** The same request again changes nothing. */
  requestId: string;
  source: ProposalSource;
  by: Person;
  /** null: as it was. */
  title: string | null;
  description: string | null;
  policy: VersionedPolicy;
}

/** Updates → ProposalDocument. */
export const approveProposal = 'approveProposal';
export const rejectProposal = 'rejectProposal';
export const mergeProposal = 'mergeProposal';
export const closeProposal = 'closeProposal';
export interface ProposalDecision {
  by: Person;
  comment: string;
  /** What the decision is about; null: whatever is the head now. */
  headCommit: string | null;
  policy: VersionedPolicy;
}

/** Update → ProposalDocument. */
export const changePolicy = 'changePolicy';

/** Query → ProposalDocument. */
export const describeProposal = 'describeProposal';
