// Read models kept in key-value buckets: written by one owner, read by any service.
// A document carries the writer's `version`; an older one never overwrites a newer one.

import type { ChangesFromBase, CheckpointRef } from './checkpoints.ts';
import type { AgentLimits, AgentUsage } from './agents.ts';
import type { CommandOutcome } from './commands.ts';
import type { RepositoryRef } from './environment.ts';
import type { ForkPoint, InheritedHistory } from './forks.ts';

export type SessionState =
  | 'creating'
  | 'ready'
  | 'busy'
  | 'hibernating'
  | 'hibernated'
  | 'resuming'
  | 'failed'
  | 'archived';

/** Commits that one has and the other has not. */
export interface BranchPosition {
  ahead: number;
  behind: number;
}

/** A session as its workflow last reported it. Times are ISO 8601 UTC with milliseconds. */
export interface SessionDocument {
  version: number;
  id: string;
  organizationId: string;
  projectId: string;
  taskId: string | null;
  trialId: string | null;
  partition: number;
  title: string;
  labels: Record<string, string>;
  state: SessionState;
  /** As the session began with it, whatever its project says since. */
  repository: RepositoryRef;
  branch: string;
  baseCommit: string | null;
  headCommit: string | null;
  /** Of the head as at the newest checkpoint, against the default branch as its runner's mirror had it then; null while unknown. */
  position: BranchPosition | null;
  /** null while it is not placed, also after its host was lost. */
  runnerId: string | null;
  generation: number;
  /** The generation that last had the files open; 0 before the first. A runner's volume of an older one is out of date. */
  filesGeneration: number;
  /** Since when it waits for a place; null while it has one or needs none. */
  waitingForPlaceSince: string | null;
  /** The newest stored checkpoint. */
  checkpoint: CheckpointRef | null;
  /** Of that one; null or absent where they were not counted. */
  changes?: ChangesFromBase | null;
  /** Names in the artifact store that the session needs, its ancestors' among them; what no document names may go. */
  artifacts: string[];
  /** From what it was forked; null: from the repository. */
  fork: { sessionId: string; checkpointId: string } | null;
  /** The beginning of its history, which is in its ancestors'. */
  inherited: InheritedHistory[];
  /** Of a session that is over and has a checkpoint: nobody can ask its workflow. */
  forkPoint: ForkPoint | null;
  failure: { code: string; detail: string } | null;
  /** Of its agent's turns together, and what those took that have ended; absent where no turn was and no limit is. */
  agentLimits?: AgentLimits;
  agentUsage?: AgentUsage;
  /** Its history was lived elsewhere; it is archived, and no workflow knows of it. */
  imported?: true;
  createdAt: string;
  lastActiveAt: string;
}

/** A stored checkpoint as the API shows it. */
export interface CheckpointDocument extends CheckpointRef {
  label: string;
  commandId: string;
  filesChanged: number;
  createdAt: string;
}

export type Verdict = 'passed' | 'failed';
export type TrialState = 'running' | 'completed' | 'failed' | 'canceled';

export interface TrialDocument {
  version: number;
  id: string;
  organizationId: string;
  projectId: string;
  taskId: string;
  name: string;
  state: TrialState;
  /** Why it ended before each attempt had run its course; null: it did not. */
  reason: string | null;
  stopWhen: 'passed' | null;
  budget: TrialBudget;
  /** Of all its turns. */
  usage: { tokens: number; costUsd: number };
  sessions: TrialSessionDocument[];
  createdAt: string;
  endedAt: string | null;
}

/** Of all attempts of a trial together; what is absent is not bounded. */
export interface TrialBudget {
  /** In and out. */
  tokens?: number;
  costUsd?: number;
  /** From the trial's start. */
  seconds?: number;
}

export interface TrialSessionDocument {
  sessionId: string;
  title: string;
  /** Of the attempt, not of the session, which outlives it. */
  state: 'pending' | 'running' | 'ended';
  verdict: Verdict | null;
  /** Why there is no verdict, or which command decided it. */
  reason: string | null;
  commandIds: string[];
  /** Of its message, once that was sent. */
  turnId: string | null;
  startedAt: string | null;
  endedAt: string | null;
}

/** What a proposal of the project needs before it may be merged. */
export interface ApprovalPolicy {
  requiredApprovals: number;
  authorMayApprove: boolean;
  requiredChecks: string[];
  /** `pull_request`: the head is put up on the host of the remote, where it is merged. */
  mergeMethod: 'merge' | 'squash' | 'pull_request';
  /** Whose API opens pull requests; absent or null: as the remote's address tells. */
  pullRequest?: PullRequestSettings | null;
}

export const pullRequestHosts = ['github', 'gitlab', 'gitea'] as const;

export type PullRequestHost = (typeof pullRequestHosts)[number];

export interface PullRequestSettings {
  host: PullRequestHost;
  /** Where it is not at the host's usual path: "https://git.example.org/forge/api/v1". */
  apiUrl?: string;
}

export const proposalStates = [
  'checking',
  'awaiting_approval',
  'mergeable',
  'merged',
  'conflicted',
  'checks_failed',
  'rejected',
  'closed',
] as const;

export type ProposalState = (typeof proposalStates)[number];

/** A session's change put up for approval, as its workflow last reported it. */
export interface ProposalDocument {
  version: number;
  id: string;
  organizationId: string;
  projectId: string;
  sessionId: string;
  title: string;
  description: string;
  state: ProposalState;
  targetBranch: string;
  /** The target's commit that the head was merged with; null before the first merge. */
  baseCommit: string | null;
  headCommit: string | null;
  /** What is checked, and nothing else will land. */
  candidateTree: string | null;
  filesChanged: number | null;
  /** Paths that conflict, a bounded number of them. */
  conflicts: string[];
  checks: ProposalCheck[];
  /** Where the checks run. */
  checkSessionId: string | null;
  approvals: ProposalApproval[];
  requiredApprovals: number;
  /** Who asked for the merge; it stands until a final state, a new head, or a refusal of the remote. */
  mergeRequestedBy: string | null;
  mergeCommit: string | null;
  /** Where it was put up on the host of the remote, as that last said. */
  pullRequest: ProposalPullRequest | null;
  /** For people: what it waits for, or why something did not work. */
  detail: string | null;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
  /** Names in the artifact store that it needs. */
  artifacts: string[];
}

export interface ProposalCheck {
  command: string;
  /** null: it has not ended. */
  outcome: CommandOutcome | null;
  exitCode: number | null;
  /** null: it has not been started. Of the session `checkSessionId`. */
  commandId: string | null;
}

export interface ProposalPullRequest {
  host: PullRequestHost;
  url: string;
  number: number;
  state: 'open' | 'merged' | 'closed';
  /** The branch that was pushed for it, and the commit there. */
  branch: string;
  headCommit: string;
  /** Who merged or closed it, by the host's name for them; null: nobody, or the host does not tell. */
  by: string | null;
  /** What the host merged, once it was read from the target; differs from `candidateTree` where the host merged something else. */
  mergedTree: string | null;
}

export interface ProposalApproval {
  /** Principal id. */
  by: string;
  at: string;
  headCommit: string;
  comment: string;
}

/** A runner's announcement, renewed while it lives. */
export interface RunnerDocument {
  id: string;
  hostQueue: string;
  /** Where its internal HTTP API answers: "http://10.0.0.7:7301". */
  url: string;
  startedAt: string;
  version: string;
  labels: Record<string, string>;
  /** `memoryMb`: what sandboxes may use together by their environments; null: they are only counted. */
  slots: { total: number; used: number; memoryMb: { total: number | null; used: number } };
  /** It follows an order to drain. */
  draining: boolean;
  /** Why it takes no session now: an engine that does not answer, or a disk with less free than the reserve. */
  unavailable: { part: 'docker' | 'disk'; detail: string } | null;
}

/**
 * What an administrator wants of a runner: kept in a bucket of its own, by the runner's id, also while the runner is away. The runner
 * follows its key; without a document, or with `draining: false`, it takes sessions as ever. The newest order counts.
 */
export interface RunnerOrder {
  runnerId: string;
  /** Take no new session, and hibernate those that are here once they are idle. */
  draining: boolean;
  /** Principal id. */
  by: string;
  at: string;
}

/** A project's secret as stored: AES-256-GCM, opened only by gateway and runners. */
export interface SecretDocument {
  name: string;
  /** base64 of nonce (12 bytes), ciphertext and tag (16 bytes). */
  sealed: string;
  updatedAt: string;
}

/** A project's credential for its remote as stored: sealed like a secret, and opened only by runners. */
export interface CredentialDocument {
  kind: 'token' | 'ssh_key';
  sealed: string;
  setAt: string;
}
