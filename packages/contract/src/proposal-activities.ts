// Activities of the sandbox-runner for proposals: every git operation of theirs. Any runner does them, from what is stored.

import type { CheckpointRef, StoredArtifact } from './checkpoints.ts';
import type { ProposalPullRequest, PullRequestSettings } from './documents.ts';
import type { RepositoryRef } from './environment.ts';
import type { Person } from './proposal-messages.ts';
import type { ProposalSource } from './session-messages.ts';

export const proposalTaskQueue = 'sandbox-runner.proposals';

export interface ProposalRef {
  organizationId: string;
  projectId: string;
  sessionId: string;
  proposalId: string;
}

/** From what the head commit is made, where the work tree is not that of a commit already. The same gives the same commit. */
export interface HeadDraft {
  title: string;
  author: Person;
  at: string;
}

export interface PrepareCandidateInput extends ProposalRef {
  repository: RepositoryRef;
  /** `session`: a new head, from its files. `candidate`: the head of an earlier candidate, to be merged with the newest target. */
  from: ({ kind: 'session' } & ProposalSource) | { kind: 'candidate'; candidate: Candidate };
  head: HeadDraft;
  /** Where the files are still those of this head it stays the head. */
  before: (HeadDraft & { commit: string }) | null;
  /** The name of the branch that checks find themselves on. */
  branch: string;
  /** Of the files that checks begin with. */
  checkpointId: string;
  at: string;
}

export interface Candidate {
  headCommit: string;
  /** The target's commit that the head is merged with. */
  target: string;
  tree: string;
  filesChanged: number;
  /** The merge as a checkpoint, from which a session can start; its base is `target`. */
  checkpoint: CheckpointRef;
  /** Holds the checkpoint, and with it the head. */
  bundle: StoredArtifact;
}

export type PreparedCandidate =
  | { state: 'clean'; candidate: Candidate }
  /** `paths`: a bounded number of those that conflict. */
  | { state: 'conflicted'; headCommit: string; target: string; paths: string[]; detail: string }
  /** Nothing that could be merged. `paths`: files of the work tree that no checkpoint holds. */
  | { state: 'unfit'; headCommit: string | null; paths: string[]; detail: string };

export interface PushCandidateInput extends ProposalRef {
  repository: RepositoryRef;
  candidate: Candidate;
  method: 'merge' | 'squash';
  title: string;
  description: string;
  author: Person;
  approvedBy: Person[];
  /** The commit's time: the same input makes the same commit, however often it is tried. */
  at: string;
  /**
   * A ref of the remote that this push alone makes, in one with the target's change: whoever settles makes it first where it is not there,
   * and the push, wherever it is held up, comes to nothing for good. Null: the remote does not take such refs.
   */
  fence: string | null;
  /** Push nothing: tell what an attempt before has come to, and see to it that it comes to nothing more. */
  settleOnly: boolean;
}

/** Of the pushes that a proposal has begun, that one's. */
export function mergeFence(proposalId: string, number: number): string {
  return `refs/worktrail/merges/${proposalId}/${number}`;
}

export type PushResult =
  /** The target's history has the commit, whose tree was read back. */
  | { state: 'merged'; commit: string; tree: string }
  /** The target is another commit, and does not have this one. */
  | { state: 'moved'; tip: string }
  /** The target is as it was; `refused`: the remote does not take the commit. */
  | { state: 'refused' | 'not_pushed'; detail: string }
  /** Nothing was pushed, because the remote takes no fence: it is to be done without. */
  | { state: 'unfenced'; detail: string }
  /** The remote did not answer; nothing was sent to it. */
  | { state: 'unreachable'; detail: string };

/** A pull request as its host has it. */
export interface SeenPullRequest extends Pick<ProposalPullRequest, 'host' | 'url' | 'number' | 'state' | 'by'> {
  /** The commit that it would merge now; null: its branch is gone. */
  headCommit: string | null;
  targetBranch: string;
  /** Where it was merged. */
  mergeCommit: string | null;
  /** Of `mergeCommit`, read from the target branch; null: it is not there. */
  mergedTree: string | null;
}

interface PullRequestInput extends ProposalRef {
  repository: RepositoryRef;
  /** null: as the repository's address tells. */
  settings: PullRequestSettings | null;
  /** null: none was seen yet. */
  number: number | null;
  /** Of this proposal alone. */
  branch: string;
  /** All that may ever have been pushed there for it: where the branch is anything else, it is left alone. */
  commits: string[];
}

export interface OpenPullRequestInput extends PullRequestInput {
  candidate: Candidate;
  title: string;
  description: string;
  approvedBy: Person[];
  /** Push and open nothing: tell what an attempt before has come to. */
  settleOnly: boolean;
}

/** `retryAfterMs`: what the host asked for. */
export type OpenPullRequestResult =
  | { state: 'opened'; pullRequest: SeenPullRequest }
  | { state: 'moved'; tip: string }
  /** `refused`: it has to be asked for again, once somebody has changed something. */
  | { state: 'refused' | 'not_pushed'; detail: string }
  /** Nobody knows yet. */
  | { state: 'unknown'; detail: string; retryAfterMs: number | null };

export interface ReadPullRequestInput extends Omit<PullRequestInput, 'branch' | 'commits'> {
  number: number;
}

export type ReadPullRequestResult = { state: 'seen'; pullRequest: SeenPullRequest } | UnknownPullRequest;

/** `isFinal`: asking again cannot help until somebody changes something. */
export interface UnknownPullRequest {
  state: 'unknown';
  detail: string;
  retryAfterMs: number | null;
  isFinal: boolean;
}

export type ClosePullRequestInput = PullRequestInput;

/** What had become of it, or has now; null: there is none. */
export type ClosePullRequestResult = { state: 'left'; pullRequest: SeenPullRequest | null } | UnknownPullRequest;

export interface ProposalActivities {
  /** Idempotent: an artifact that nobody names goes. Fails for good with a SessionFailureCode as type. */
  prepareCandidate(input: PrepareCandidateInput): Promise<PreparedCandidate>;
  /** A failure says nothing about whether it was pushed: the next attempt tells. */
  pushCandidate(input: PushCandidateInput): Promise<PushResult>;
  /** Pushes the head and opens its pull request, or finds the one that is there. A failure says nothing, like that of a push. */
  openPullRequest(input: OpenPullRequestInput): Promise<OpenPullRequestResult>;
  readPullRequest(input: ReadPullRequestInput): Promise<ReadPullRequestResult>;
  /** Closes what is open, and takes the branch away. */
  closePullRequest(input: ClosePullRequestInput): Promise<ClosePullRequestResult>;
}
