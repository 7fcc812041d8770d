// Temporal names and messages of the session workflow. A constant's value is its name on the wire. Plain JSON only.

import type { AgentLimits } from './agents.ts';
import type { CheckpointRef, RestorePoint, StoredArtifact } from './checkpoints.ts';
import type { ActorRef, CommandSpec } from './commands.ts';
import type { CheckpointDocument, SessionDocument } from './documents.ts';
import type { Environment, RepositoryRef } from './environment.ts';
import type { SessionFork } from './forks.ts';
import type { TokenUsage, TurnSpec } from './turns.ts';

export const workflowTaskQueue = 'worktrail-orchestrator';
/**
 * So long a workflow task waits that was handed to an orchestrator which was then killed. A replay that takes longer is begun anew;
 * from the fourth time on the server gives it more.
 */
export const workflowTaskTimeoutMs = 5_000;
export const sessionWorkflow = 'session';

export function sessionWorkflowId(sessionId: string): string {
  return `session:${sessionId}`;
}

/** What a session starts with, fixed for its life except title and labels. */
export interface SessionSpec {
  organizationId: string;
  projectId: string;
  sessionId: string;
  taskId: string | null;
  trialId: string | null;
  partition: number;
  title: string;
  labels: Record<string, string>;
  repository: RepositoryRef;
  /** null: the newest default branch. */
  baseRef: string | null;
  /** Instead: its first files are those of this checkpoint, of whichever session. */
  startFrom?: RestorePoint;
  branch: string;
  environment: Environment;
  /** The session's own variables, over the project's. */
  env: Record<string, string>;
  cancelGraceSeconds: number;
  /** So long without a live command the session is hibernated; 0: never. */
  hibernateAfterSeconds: number;
  /** As in HibernateInput. */
  archiveBytesMax: number;
  createdAt: string;
  createdBy: ActorRef;
  /** It begins hibernated, with another session's files and history. */
  fork?: SessionFork;
  /** Of its agent's turns together; without it there are none. */
  agentLimits?: AgentLimits;
  /** It begins with a message to its agent, which is answered once it is ready. */
  firstMessage?: TurnSpec;
}

/** Update → CommandAccepted. Its update id is the command's id. */
export const runCommand = 'runCommand';
export interface CommandAccepted {
  state: 'queued' | 'running';
}

/** Update → {accepted}: false when the command is not live any more. */
export const cancelCommand = 'cancelCommand';
export interface CancelCommandRequest {
  commandId: string;
  reason: string;
}

/** Update → SessionDocument. */
export const patchSession = 'patchSession';
export interface PatchSessionRequest {
  title?: string;
  labels?: Record<string, string>;
  /** Of those that are named. */
  agentLimits?: Partial<AgentLimits>;
  /** What the change is made to: refused with `precondition_failed` once they are others. */
  seen?: { title: string; labels: Record<string, string>; agentLimits?: AgentLimits };
}

/** Update → SessionDocument. Refused with `session_busy` while a command is live. Returns once recorded as archived. */
export const archiveSession = 'archiveSession';

/**
 * Update → SessionDocument, once hibernated. Refused with `session_busy` while a command is live, and with `checkpoint_failed` when
 * its files could not be stored: it then stays as it was.
 */
export const hibernateSession = 'hibernateSession';
export interface HibernateSessionRequest {
  /** "requested", "idle", "slot_needed", "runner_draining". */
  reason: string;
}

/** Signal of the same meaning and payload, from a runner that drains or needs the slot: an idle session follows it, others later. */
export const hibernateWhenIdle = 'hibernateWhenIdle';

/** Update → SessionDocument at once; the session becomes ready later. */
export const resumeSession = 'resumeSession';

/** Update → CheckpointDocument, once it is stored. Refused with `checkpoint_failed`. Its update id is the checkpoint's id. */
export const createCheckpoint = 'createCheckpoint';
export interface CreateCheckpointRequest {
  checkpointId: string;
  label: string;
}

/**
 * Update → RevertDocument, once files, index and branches are as at an earlier checkpoint and that is a checkpoint too. Refused with
 * `session_busy` while a command is live, unless forced: live commands are canceled first, with the reason `reverted`. Refused with
 * `checkpoint_failed` where what was there before could not be stored, or the earlier files could not be made again.
 */
export const revertSession = 'revertSession';
export interface RevertSessionRequest {
  /** Of the checkpoint that the revert becomes: asked again with it, it is the same revert. */
  checkpointId: string;
  /** The session's own. */
  to: CheckpointRef;
  force: boolean;
  actor: ActorRef;
}
export interface RevertDocument extends RevertedFiles {
  checkpoint: CheckpointDocument;
  /** Its tree is the tree of `to`; false where something has written to the work tree meanwhile. */
  exact: boolean;
}
/** What a revert has not done, for people. Each is empty where there is nothing of the kind. */
export interface RevertedFiles {
  /** What is in the work tree and in no checkpoint: ignored files, files over the limit. It was left as it is. */
  notTouched: string[];
  /** What the checkpoint itself was without. */
  notRestored: string[];
  /** What no checkpoint has and is gone: it was ignored, is not by the checkpoint's own rules, and did not exist then. */
  removed: string[];
}

/**
 * Update → SettledFiles, once no checkpoint is due any more, or some seconds later. One that was due is made at once; none is made that
 * nothing called for, and nothing is woken.
 */
export const settleFiles = 'settleFiles';
export interface SettledFiles {
  document: SessionDocument;
  /** Nothing has run, or ended, since the newest checkpoint. */
  upToDate: boolean;
}

/**
 * Update → ChangedFile, once the file is so in the work tree and its event is in the history. Refused with `precondition_failed` where it
 * was not as `expected`, `not_found` and `conflict` for what cannot be written or deleted. Its update id is the change's id.
 */
export const changeFile = 'changeFile';
export interface ChangeFileRequest extends FileChangeOrder {
  actor: ActorRef;
}
export interface FileChangeOrder {
  changeId: string;
  /** One that `workTreePathProblem` finds nothing wrong with. */
  path: string;
  /** Of a write; null: delete it. */
  content: StoredArtifact | null;
  /** null: as it was; of a new file: not. */
  executable: boolean | null;
  /** What it has to be before: of this content, by its name in git; there, or not there at all; null: whatever. */
  expected: { blob: string } | 'present' | 'absent' | null;
}
export interface ChangedFile {
  status: 'added' | 'modified' | 'mode_changed' | 'deleted' | 'unchanged';
  /** Names in git, empty where there is none. */
  oldBlob: string;
  newBlob: string;
  additions: number;
  deletions: number;
  binary: boolean;
}

/**
 * Update → CapturedFiles: the files as they are now, in a new checkpoint; of a session that sleeps those of its newest. What it names is
 * kept until `loanRepaid`. Asked again for the same borrower the answer is the same. Refused with `session_busy` while a command is live,
 * and with `rate_limited` where much is lent already.
 */
export const captureFiles = 'captureFiles';
export interface CaptureFilesRequest extends CreateCheckpointRequest {
  borrower: string;
}
export interface ProposalSource {
  baseCommit: string;
  checkpoint: CheckpointRef;
  /** They hold together all checkpoints up to that one. */
  bundles: StoredArtifact[];
}

export interface CapturedFiles {
  source: ProposalSource;
  /** The session's. */
  createdBy: ActorRef;
}

/** Signal from a proposal: its document names what it needs of what was lent. */
export const loanRepaid = 'loanRepaid';
export interface LoanRepaid {
  borrower: string;
}

/** Signal from a workflow that started the session for a purpose which is over: what runs is canceled, and the session archived. */
export const endSession = 'endSession';

/**
 * Update → UpdateDocument: the newest default branch is brought into the session, between two checkpoints; one that sleeps is woken.
 * Refused with `session_busy` while a command is live, with `conflict` where git would not begin, with `checkpoint_failed`, and with
 * `dependency_unavailable` where upstream or the sandbox's host does not answer.
 */
export const updateSession = 'updateSession';
export type UpdateMethod = 'merge' | 'rebase';
export interface UpdateSessionRequest {
  /** Asked again with it, it is the same update. */
  updateId: string;
  method: UpdateMethod;
  by: ActorRef;
}
export interface UpdatedFiles {
  /** `conflicts`: half done, and left to the session. */
  outcome: 'up_to_date' | 'updated' | 'conflicts';
  /** What was brought in. */
  commit: string;
  headCommit: string | null;
  /** Paths, the first of them. */
  conflicts: string[];
}
export interface UpdateDocument extends UpdatedFiles {
  document: SessionDocument;
}

/**
 * Update → ForkPoint, once the history says so: with it the forks are to be made. What it names is kept for them until each has said
 * that its own document names it. Asked again for the same forks it is the same. Refused with `conflict` where there is no checkpoint.
 */
export const forkSession = 'forkSession';
export interface ForkSessionRequest {
  /** Ids of the sessions to be made. */
  forks: string[];
  /** null: the newest. */
  checkpoint: CheckpointRef | null;
  /** Where the session's history ends, as the caller knows it: a cursor. */
  at?: string;
  by: ActorRef;
}

/** Signal from a fork: its document names what it needs. */
export const forkRecorded = 'forkRecorded';
export interface ForkRecorded {
  sessionId: string;
}

/** Signal from the orchestrator's watch of leases: nobody has heard of this runner for too long. Another one's is ignored. */
export const hostLost = 'hostLost';
export interface HostLost {
  runnerId: string;
  /** As the session's document shows it: a session that was placed again since ignores it. */
  generation: number;
}

/** Query → SessionDocument. */
export const describeSession = 'describeSession';

/** Query (commandId) → LiveCommand | null: commands that are queued or running, which no event may show yet. */
export const describeCommand = 'describeCommand';
export interface LiveCommand {
  spec: CommandSpec;
  state: 'queued' | 'running';
}

/** Signal from a runner that took a sandbox down on purpose (its volume is kept). */
export const sandboxStopped = 'sandboxStopped';
export interface SandboxStopped {
  generation: number;
  reason: string;
}

/** Signal from a runner: what models have used in all that something in the sandbox called, by a meter of its own. It only grows. */
export const modelsCalled = 'modelsCalled';
export interface ModelsCalled {
  meterId: string;
  used: TokenUsage;
}

/** Signal from a trial: run this command; the end is reported to the trial by `commandReported`. */
export const runTrialCommand = 'runTrialCommand';
export interface RunTrialCommand {
  trialWorkflowId: string;
  command: CommandSpec;
}

/** Signal from a trial (CancelCommandRequest): stop this command if it is live. */
export const cancelTrialCommand = 'cancelTrialCommand';

/** Signal from a trial: answer this message; what becomes of its turn is reported to the trial by `turnReported`. */
export const runTrialTurn = 'runTrialTurn';
export interface RunTrialTurn {
  turn: TurnSpec;
  reportTo: TurnListener;
}
export interface TurnListener {
  workflowId: string;
  /** It is told of each step, not of the end alone. */
  steps: boolean;
}

/** Signal from a trial (CancelTurnRequest): stop this turn if it is live. */
export const cancelTrialTurn = 'cancelTrialTurn';
