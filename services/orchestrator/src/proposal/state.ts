// What a proposal workflow knows: one plain JSON value, carried over continue-as-new.
//
// 1. `JSON.parse(JSON.stringify(state))` is the same state.
// 2. The functions of `decisions`, `candidates`, `checks` and `merging` are its only writers; they read no clock and do no I/O.

import type {
  ApprovalPolicy,
  ProposalApproval,
  ProposalCheck,
  ProposalDocument,
  ProposalPullRequest,
  ProposalState as PublicState,
  PullRequestSettings,
} from '@worktrail/contract/documents';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { Candidate, HeadDraft, SeenPullRequest } from '@worktrail/contract/proposal-activities';
import type { Person, ProposalSpec, VersionedPolicy } from '@worktrail/contract/proposal-messages';
import type { ProposalSource } from '@worktrail/contract/session-messages';

/** A head that is to be made: from files of the session that were not looked at yet. */
export interface PlannedHead {
  source: ProposalSource;
  draft: HeadDraft;
}

export interface CheckSession {
  sessionId: string;
  checkpointId: string;
  started: boolean;
  /** A check that was asked for there: `sent` once the session was told, `asks` counts repetitions after a long silence. */
  current: { index: number; commandId: string; sent: boolean; asks: number; queuedAt: string } | null;
}

export interface Approval extends ProposalApproval {
  name: string;
}

export interface MergeRequest {
  by: Person;
  at: string;
}

/** All that the commit is a function of. */
export interface PushedCommit {
  candidate: Candidate;
  method: ApprovalPolicy['mergeMethod'];
  title: string;
  description: string;
  approvedBy: Person[];
  at: string;
}

/** What there is, or may be, of the proposal on the host of its remote. */
export interface PullRequest {
  settings: PullRequestSettings | null;
  branch: string;
  /** All that may have been pushed to the branch, the newest last. */
  commits: string[];
  /** As the host last said; null: none is known to be there. */
  seen: SeenPullRequest | null;
  /** What it was put up as: the head that was pushed, its checked merge, and the request by which. */
  put: { headCommit: string; tree: string; at: string } | null;
  /** How often it was looked at in vain since something was new, and how long the host wants to be left alone. */
  looks: number;
  waitMs: number;
  /** Why the host could not be asked. */
  trouble: string | null;
  /** It is closed, and its branch gone, as far as that can be brought about in so many attempts. */
  leave: { attempts: number; done: boolean };
}

export interface Ending {
  as: 'rejected' | 'closed';
  by: Person;
  comment: string;
}

export interface ProposalState {
  spec: ProposalSpec;
  title: string;
  description: string;
  /** The newest that put it up, and all that ever did. */
  openedBy: Person;
  openers: string[];
  policy: VersionedPolicy;
  /** Set until it is made. */
  planned: PlannedHead | null;
  head: (HeadDraft & { commit: string }) | null;
  /** The head merged with the target; null: it is to be merged with its newest commit. */
  candidate: Candidate | null;
  /** From what the head can be merged again: the newest candidate that there was of it. */
  kept: Candidate | null;
  /** Why there is no candidate and will be none of this head and target. */
  blocked: { state: 'conflicted' | 'unfit'; target: string | null; paths: string[]; detail: string } | null;
  /**
   * How often in a row it could not be merged or pushed for a reason that may pass, and why. `rested`: long enough since the last time.
   * 0 times: nothing is to be tried again.
   */
  trouble: { times: number; detail: string; rested: boolean; waitMs?: number } | null;
  /** Of the candidate, one for each required check. */
  checks: ProposalCheck[];
  checkSession: CheckSession | null;
  /** How often checks of this candidate were lost with their sandbox. */
  checksLost: number;
  /** Sessions that are still to be told that their checks are over. */
  toEnd: string[];
  /** Of this head under this policy. */
  approvals: Approval[];
  merge: MergeRequest | null;
  /** A push has been begun, and nobody knows yet what came of it: the very commit that it would have made is looked for. */
  pushed: PushedCommit | null;
  pullRequest: PullRequest | null;
  /** How many pushes were begun; each has a fence of its own. */
  pushes: number;
  /** The remote takes no fences. */
  unfenced: boolean;
  /** Why the remote has not taken the last merge. */
  refusal: string | null;
  ending: Ending | null;
  final: 'merged' | 'rejected' | 'closed' | null;
  mergeCommit: string | null;
  /** Loans of the session that are to be repaid once the document of now is stored: it names what it needs of them. */
  borrowed: string[];
  /** Requests for a new head that were taken, the newest last. */
  requests: string[];
  eventNumber: number;
  events: EventDraft[];
  updatedAt: string;
  version: number;
  recordedVersion: number;
}

export function newProposalState(spec: ProposalSpec): ProposalState {
  return {
    spec,
    title: spec.title,
    description: spec.description,
    openedBy: spec.openedBy,
    openers: [spec.openedBy.id],
    policy: spec.policy,
    planned: { source: spec.source, draft: { title: spec.title, author: spec.author, at: spec.createdAt } },
    head: null,
    candidate: null,
    kept: null,
    blocked: null,
    trouble: null,
    checks: [],
    checkSession: null,
    checksLost: 0,
    toEnd: [],
    approvals: [],
    merge: null,
    pushed: null,
    pullRequest: null,
    pushes: 0,
    unfenced: false,
    refusal: null,
    ending: null,
    final: null,
    mergeCommit: null,
    borrowed: [spec.proposalId],
    requests: [],
    eventNumber: 0,
    events: [],
    updatedAt: spec.createdAt,
    version: 1,
    recordedVersion: 0,
  };
}

export function policyOf({ policy }: ProposalState): ApprovalPolicy {
  return policy.policy;
}

/** The states of API.md. */
export function publicState(state: ProposalState): PublicState {
  if (state.final) return state.final;
  if (state.planned) return 'checking';
  if (state.blocked) return 'conflicted';
  if (state.checks.some(hasFailed)) return 'checks_failed';
  if (!state.candidate || !areChecked(state)) return 'checking';
  return isApproved(state) ? 'mergeable' : 'awaiting_approval';
}

export function hasPassed({ outcome, exitCode }: ProposalCheck): boolean {
  return outcome === 'exited' && exitCode === 0;
}

export function hasFailed(check: ProposalCheck): boolean {
  return check.outcome !== null && !hasPassed(check);
}

/** Each command that the policy requires has exited 0 on the candidate. */
export function areChecked(state: ProposalState): boolean {
  const { requiredChecks } = policyOf(state);
  return (
    state.candidate !== null &&
    state.checks.length === requiredChecks.length &&
    state.checks.every((check, index) => check.command === requiredChecks[index] && hasPassed(check))
  );
}

export function isApproved(state: ProposalState): boolean {
  const { requiredApprovals } = policyOf(state);
  const of = state.approvals.filter(({ by, headCommit }) => headCommit === state.head?.commit && mayApprove(state, by));
  return new Set(of.map(({ by }) => by)).size >= requiredApprovals;
}

/** As a pull request, by the request to merge that stands. */
export function isPutUp(state: ProposalState): boolean {
  const { merge, pullRequest } = state;
  return policyOf(state).mergeMethod === 'pull_request' && merge !== null && pullRequest?.put?.at === merge.at;
}

export function mayApprove(state: ProposalState, principalId: string): boolean {
  if (policyOf(state).authorMayApprove) return true;
  return principalId !== state.spec.author.id && !state.openers.includes(principalId);
}

function proposalDetail(state: ProposalState): string | null {
  const { final, ending, blocked, refusal, trouble } = state;
  if (final && !ending) return pullRequestDetail(state);
  return endingDetail(state) ?? blocked?.detail ?? refusal ?? pullRequestDetail(state) ?? trouble?.detail ?? null;
}

function endingDetail({ ending, final }: ProposalState): string | null {
  if (!ending) return null;
  if (!final) return `it will be ${ending.as}, unless a push whose outcome is not known has merged it`;
  return `${final} by ${ending.by.name}${ending.comment && `: ${ending.comment}`}`;
}

export function shownPullRequest({ pullRequest }: ProposalState): ProposalPullRequest | null {
  if (!pullRequest?.seen || !pullRequest.put) return null;
  const { host, url, number, state, by, mergedTree } = pullRequest.seen;
  const { branch, put } = pullRequest;
  return { host, url, number, state, branch, headCommit: put.headCommit, by, mergedTree };
}

function pullRequestDetail({ pullRequest, final }: ProposalState): string | null {
  const { seen, put, trouble } = pullRequest ?? {};
  if (!seen || !put) return null;
  if (seen.state === 'merged' && final === 'merged') {
    if (seen.mergedTree === null) return 'what was merged cannot be seen in the target branch';
    return seen.mergedTree === put.tree ? null : 'what was merged is not the tree that was checked';
  }
  if (final === 'closed') {
    if (seen.state === 'merged') return `its pull request was merged to ${seen.targetBranch}`;
    return `its pull request was closed${seen.by === null ? '' : ` by ${seen.by}`}`;
  }
  if (trouble) return `of the pull request: ${trouble}`;
  const isForeign = seen.state === 'open' && seen.headCommit !== null && seen.headCommit !== put.headCommit;
  return isForeign ? `the head of the pull request is ${seen.headCommit}, which nobody here has approved` : null;
}

export function proposalDocument(state: ProposalState): ProposalDocument {
  const { spec, candidate, blocked } = state;
  const isOver = state.final !== null && state.toEnd.length === 0;
  const needed = [candidate, state.kept].flatMap((one) => (one ? [one.bundle.name] : []));
  const sources = state.planned?.source.bundles.map(({ name }) => name) ?? [];
  return {
    version: state.version,
    id: spec.proposalId,
    organizationId: spec.organizationId,
    projectId: spec.projectId,
    sessionId: spec.sessionId,
    title: state.title,
    description: state.description,
    state: publicState(state),
    targetBranch: spec.checkSession.repository.defaultBranch,
    baseCommit: candidate?.target ?? blocked?.target ?? null,
    headCommit: state.head?.commit ?? null,
    candidateTree: candidate?.tree ?? null,
    filesChanged: candidate?.filesChanged ?? null,
    conflicts: blocked?.paths ?? [],
    checks: state.checks,
    checkSessionId: state.checkSession?.sessionId ?? null,
    approvals: state.approvals.map(({ by, at, headCommit, comment }) => ({ by, at, headCommit, comment })),
    requiredApprovals: policyOf(state).requiredApprovals,
    mergeRequestedBy: state.merge?.by.id ?? null,
    mergeCommit: state.mergeCommit,
    pullRequest: shownPullRequest(state),
    detail: proposalDetail(state),
    createdBy: spec.openedBy.id,
    createdAt: spec.createdAt,
    updatedAt: state.updatedAt,
    artifacts: isOver ? [] : [...new Set([...needed, ...sources])],
  };
}
