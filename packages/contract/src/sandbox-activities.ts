// Activities of the sandbox-runner, as the orchestrator calls them. Types and names only.
//
// `placeSession` is polled on one shared queue by every runner with a free slot; everything else runs on the queue of the host it
// answered. Results are references and small facts, never output.

import type { ContextToolUse, FileToolUse } from './agent-tools.ts';
import type { AgentConversation, AgentTurnResult, PermissionDecided } from './agent-turns.ts';
import type { AgentSpec } from './agents.ts';
import type { CheckpointFacts, CheckpointRef, RestorePoint, SessionArchive, StoredArtifact } from './checkpoints.ts';
import type { CommandResult, CommandSpec } from './commands.ts';
import type { BranchPosition } from './documents.ts';
import type { Environment, RepositoryRef } from './environment.ts';
import type { InheritedHistory } from './forks.ts';
import type { ChangedFile, FileChangeOrder, RevertedFiles, UpdatedFiles, UpdateMethod } from './session-messages.ts';

export const placementTaskQueue = 'sandbox-runner';

export function hostTaskQueue(runnerId: string): string {
  return `sandbox-runner.${runnerId}`;
}

/** Which sandbox is meant. A runner refuses a generation older than the newest it has seen for the session. */
export interface SandboxRef {
  organizationId: string;
  projectId: string;
  sessionId: string;
  partition: number;
  generation: number;
}

export interface PlaceInput {
  organizationId: string;
  sessionId: string;
  environment: Environment;
  /** Since when the session waits for a place, ISO 8601; null: since now. */
  waitingSince: string | null;
}

export interface Placement {
  runnerId: string;
  hostQueue: string;
}

export interface OpenSandboxInput extends SandboxRef {
  repository: RepositoryRef;
  baseRef: string | null;
  branch: string;
  /** Of a fork: those of its ancestors, the nearest first. In files that are made from a checkpoint, the first that is there becomes `branch`. */
  branchesBefore?: string[];
  environment: Environment;
  /** Of an earlier generation, or of what it was forked from; null when no sandbox of the session was ever open. */
  restore: RestorePoint | null;
  /** The generation that last had the files open: a volume here is them only if this very one left it. 0: none. */
  filesGeneration: number;
  /** As in PlaceInput. */
  waitingSince: string | null;
  /** No other host can have the files: one that drains takes the session too, so that they can be stored and it can move. */
  onlyHere: boolean;
}

export interface OpenedSandbox {
  /**
   * "new": made from the repository. "volume": exactly what `filesGeneration` left on this host. "archive": from what was stored at
   * hibernation. "checkpoint": from the newest checkpoint (`restore.checkpoint`), because the host that had the volume is lost.
   */
  from: 'new' | 'volume' | 'archive' | 'checkpoint';
  baseCommit: string;
  /** null where the repository that the user left has none. */
  headCommit: string | null;
  /** What the files lost on the way, for people: "ignored files", "processes". Empty for "new" and "volume". */
  notKept: string[];
}

export interface CheckpointInput extends SandboxRef {
  /** Issued by the workflow; also the producer of the `files.changed` events that the runner publishes before it answers. */
  checkpointId: string;
  number: number;
  label: string;
  /** Empty, or the command that it follows. */
  commandId: string;
  /** The newest stored one, to which it is the next; null for the first. */
  previous: CheckpointRef | null;
  baseCommit: string;
  /** All that hold the checkpoints so far. A runner that has none of them in its own store fetches them. */
  bundles: StoredArtifact[];
  /** Answer with one bundle that holds all checkpoints, in place of `bundles`. */
  compact: boolean;
  /** Make it although nothing has changed since `previous`: a person asked for it. */
  evenIfUnchanged: boolean;
  /** Against which the head's position is counted; without it none is. */
  defaultBranch?: string;
}

export type CheckpointResult =
  /** Files, index and refs are as in `previous`. */
  | { changed: false; headCommit: string | null; headRef: string | null; position?: BranchPosition | null }
  | {
      changed: true;
      checkpoint: CheckpointFacts;
      /** Stored and verified. With `compact` it holds all checkpoints, else what is new since `previous`. */
      bundle: StoredArtifact;
      /** null: it could not be counted. */
      position?: BranchPosition | null;
    };

export interface RevertInput extends SandboxRef {
  /** Attempts of one revert find each other by it. */
  revertId: string;
  to: CheckpointRef;
  /** The newest stored one, which has what is in the work tree now. */
  from: CheckpointRef;
  baseCommit: string;
  /** As in CheckpointInput. */
  bundles: StoredArtifact[];
  repository: RepositoryRef;
  branch: string;
  /** As in OpenSandboxInput. */
  branchesBefore?: string[];
}

export interface ChangeFileInput extends SandboxRef {
  order: FileChangeOrder;
  /** Another attempt may have done it: a file that is as it is to be is then no longer what is refused. */
  again: boolean;
}

export interface UpdateInput extends SandboxRef {
  method: UpdateMethod;
  repository: RepositoryRef;
}

export interface HibernateInput extends SandboxRef {
  /** `environment.persist`: what is archived where the whole is over `archiveBytesMax`. */
  persist: string[];
  /** Compressed size up to which the volumes are archived whole; 0: no archive. */
  archiveBytesMax: number;
}

export interface HibernatedSandbox {
  /** null: not even `persist` could be kept or there is nothing in it; the checkpoint is what travels. */
  archive: SessionArchive | null;
}

export interface UseFilesInput extends SandboxRef {
  turnId: string;
  /** The producer of what it leaves in the history; the first event of it is written already. */
  toolCallId: string;
  /** For the history: who acts. */
  agent: string;
  /** Names of secrets of the project that its commands are given: their values are masked in what is told. */
  secrets: string[];
  use: FileToolUse;
}

export interface UseContextInput extends SandboxRef {
  /** The next three as in UseFilesInput. */
  turnId: string;
  toolCallId: string;
  agent: string;
  repository: RepositoryRef;
  /** In which it is searched: one that the mirror has. */
  commit: string;
  use: ContextToolUse;
}

export interface UsedFiles {
  /** Files were, or may have been, changed. */
  changed: boolean;
}

export interface RunAgentTurnInput extends SandboxRef {
  turnId: string;
  /** Of what it leaves in the history. */
  producer: string;
  text: string;
  agent: AgentSpec;
  environment: Pick<Environment, 'env'> & { resources: Pick<Environment['resources'], 'outputBytesMax'> };
  /** The session's own variables. */
  env: Record<string, string>;
  inherited: InheritedHistory[];
  conversation: AgentConversation | null;
  /** An attempt in another sandbox may have begun it: one that is not here is lost. */
  mayHaveBegun: boolean;
  /** All of the turn so far. */
  decided: PermissionDecided[];
  /** End it: nobody waits for what it would say. */
  stop: boolean;
}

export interface RunCommandInput extends SandboxRef {
  command: CommandSpec;
  /** What a command needs of its session's environment. The rest would stand in the workflow's history once for each command. */
  environment: Pick<Environment, 'env'> & {
    resources: Pick<Environment['resources'], 'outputBytesMax' | 'outputOverflow'>;
  };
  /** The session's own variables. */
  env: Record<string, string>;
  cancelGraceSeconds: number;
  /** command.queued is in the history, or may be, and what follows it too: the runner looks. Else it writes it. */
  queuedRecorded: boolean;
  /**
   * Set when the command was canceled: if it never started, its end (`canceled`, with this reason) is
   * written down without starting it; if it runs, it is stopped as by a cancel.
   */
  cancelReason: string | null;
}

export interface PlacementActivities {
  /** Fails retryably with type `no_free_slot`. */
  placeSession(input: PlaceInput): Promise<Placement>;
}

export interface SandboxActivities {
  /** One use of a tool of the agent, done and told in the history. Fails for good with type `sandbox_gone` as below. */
  useFiles(input: UseFilesInput): Promise<UsedFiles>;
  /** The same of a search in the repository's index. It needs no sandbox. */
  useContext(input: UseContextInput): Promise<void>;
  /**
   * Puts a message to an agent that runs in the sandbox, or goes on with that, until the agent has answered or asks for a permission.
   * All it says is in the history then. Once canceled it ends the agent and answers. Fails for good with type `sandbox_gone` only when
   * the sandbox is not there and the agent was never started in it.
   */
  runAgentTurn(input: RunAgentTurnInput): Promise<AgentTurnResult>;
  /**
   * Makes or reopens the session's sandbox: from the volume if it is here, else from the archive, else from the checkpoint, else
   * anew. Idempotent. Fails for good with a SessionFailureCode as type, and retryably with `no_free_slot`, `no_disk_space`, or
   * `runner_draining` where the session is not open.
   */
  openSandbox(input: OpenSandboxInput): Promise<OpenedSandbox>;
  /**
   * Runs a command, or attaches to it when it was started before, until its end is in the stream. Fails for good with type
   * `sandbox_gone` only when the sandbox is not there and the command was never started in it, and retryably with `no_disk_space`.
   */
  runCommand(input: RunCommandInput): Promise<CommandResult>;
  /**
   * Keeps the work tree as a commit and stores its bundle; publishes `files.changed`. Idempotent by `checkpointId`. Fails for good
   * with type `sandbox_gone` when the sandbox is not open here, and retryably when it cannot be stored.
   */
  checkpointSandbox(input: CheckpointInput): Promise<CheckpointResult>;
  /**
   * Makes files, index, branches and half-done operations of the open sandbox as they were at a checkpoint. The caller has stored what
   * is there now, and runs no command meanwhile. Repeated, it comes to the same end; where it fails the work tree may be between the
   * two. Fails for good with type `sandbox_gone` as above, and with `checkpoint_missing` when the checkpoint cannot be had.
   */
  revertSandbox(input: RevertInput): Promise<RevertedFiles>;
  /**
   * Writes or deletes one file of the open sandbox's work tree, whole or not at all. Fails for good with type `sandbox_gone` as above, and
   * with the ErrorCodes `precondition_failed`, `not_found`, `conflict`.
   */
  changeFile(input: ChangeFileInput): Promise<ChangedFile>;
  /**
   * Fetches upstream, and merges the newest commit of the default branch into the session's, or rebases that onto it, inside the open
   * sandbox, in which no command runs meanwhile. Conflicts are left there. Fails for good with type `sandbox_gone` as above, with
   * `update_refused` where git would not begin, and with a SessionFailureCode where upstream cannot be had. Repeated, it goes on from what
   * is there.
   */
  updateSandbox(input: UpdateInput): Promise<UpdatedFiles>;
  /**
   * Stops and removes the container, keeps the volumes, archives them. Idempotent. The caller has stored a checkpoint before. A
   * failure to archive fails it retryably; the sandbox then counts as stopped, and another attempt archives it.
   */
  hibernateSandbox(input: HibernateInput): Promise<HibernatedSandbox>;
  /** Removes container, volumes and directories of a session. Idempotent. */
  removeSandbox(input: SandboxRef): Promise<void>;
}

/** Failure type: reopen the sandbox, then schedule the command again. */
export const sandboxGone = 'sandbox_gone';
/** Failure type: no bundle has the checkpoint, or one of them is damaged. Nothing was touched. */
export const checkpointMissing = 'checkpoint_missing';
/** Failure type: the message says why. Nothing was changed. */
export const updateRefused = 'update_refused';
export const noFreeSlot = 'no_free_slot';
/** Retryable failure type: the runner was told to drain, and takes no session. Any other may. */
export const runnerDraining = 'runner_draining';
/** Retryable failure type: the runner's process stops; the next one takes what this one did not. */
export const runnerStopping = 'runner_stopping';
/** Retryable failure type: the host's free space is below the operator's reserve. */
export const noDiskSpace = 'no_disk_space';
export type { CommandSpec };
