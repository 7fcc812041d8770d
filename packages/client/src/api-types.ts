// The JSON shapes of the public API, v1, as a client sees them: field names are the wire's. Times are ISO 8601 UTC with milliseconds.
//
// A server may add fields at any time; none that stands here goes away within /v1.

import type { AgentKind, PermissionPolicy, PermissionRule, ToolKind, TurnLimits } from '@worktrail/contract/agents';
import type { ActorRef, CommandOutcome } from '@worktrail/contract/commands';
import type { ContextHit, ContextIndexState, ContextKind } from '@worktrail/contract/context';
import type {
  ProposalState,
  PullRequestHost,
  SessionState,
  TrialBudget,
  TrialState,
  Verdict,
} from '@worktrail/contract/documents';
import type { PublicEvent } from '@worktrail/contract/event-json';
import type { PermissionRequest } from '@worktrail/contract/permissions';
import type { TokenUsage, TurnOutcome } from '@worktrail/contract/turns';
import type {
  Evidence,
  OutputEvidence,
  ScanStep,
  SuggestionKind,
  SuggestionState,
} from '@worktrail/contract/suggestions';

export type {
  ActorRef,
  AgentKind,
  CommandOutcome,
  ContextHit,
  ContextKind,
  PermissionRequest,
  PermissionRule,
  ProposalState,
  PullRequestHost,
  PublicEvent as WorktrailEvent,
  SessionState,
  ToolKind,
  SuggestionKind,
  SuggestionState,
  TrialBudget,
  TrialState,
  TurnOutcome,
  Verdict,
};

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

export interface PageQuery {
  limit?: number;
  cursor?: string;
}

export type Scope = 'read' | 'run' | 'approve' | 'admin';

// ---- context ----

export interface ContextQuery {
  /** Branch, tag or commit; default: the default branch as it is now. */
  ref?: string;
  limit?: number;
  kinds?: ContextKind[];
  /** A directory, or a pattern with `*`, `**` and `?`. */
  path?: string;
  language?: string;
}

export interface ContextSearch {
  /** The best first. */
  items: ContextHit[];
  commit: string;
  repository: string;
  index: ContextIndexState;
}

// ---- access ----

export interface Organization {
  id: string;
  name: string;
  createdAt: string;
}

export interface OrganizationInput {
  name: string;
  principal: { name: string; kind: 'user' | 'service' };
}

/** `key.secret` is shown this once. */
export interface CreatedOrganization {
  organization: Organization;
  principal: Principal;
  key: ApiKey & { secret: string };
}

/** Who changed what. */
export interface AuditRecord {
  id: string;
  time: string;
  actor: ActorRef;
  action: string;
  resourceId: string;
  requestId: string;
  detail: Record<string, unknown>;
}

export interface Principal {
  id: string;
  name: string;
  kind: 'user' | 'service';
  createdAt: string;
}

export interface ApiKey {
  id: string;
  principalId: string;
  scopes: Scope[];
  expiresAt: string | null;
  createdAt: string;
}

export interface KeyInput {
  principalId: string;
  scopes: Scope[];
  expiresAt?: string;
}

export interface Me {
  organization: Organization;
  principal: Principal;
  key: { id: string };
  scopes: Scope[];
}

// ---- projects ----

export interface EnvironmentInput {
  image?: string;
  packages?: string[];
  env?: Record<string, string | { secret: string }>;
  setup?: string[];
  persist?: string[];
  network?: { mode?: 'none' | 'restricted' | 'open'; allow?: string[] };
  runtime?: 'runc' | 'runsc';
  runnerLabels?: Record<string, string>;
  resources?: {
    cpus?: number;
    memoryMb?: number;
    pids?: number;
    outputBytesMax?: number;
    /** A command above `outputBytesMax` is ended, or goes on and the end of its output is kept. */
    outputOverflow?: 'end' | 'keep_tail';
  };
}

export interface ApprovalInput {
  requiredApprovals?: number;
  authorMayApprove?: boolean;
  requiredChecks?: string[];
  mergeMethod?: 'merge' | 'squash' | 'pull_request';
  /** Whose API opens pull requests; null: told by the repository's address. */
  pullRequest?: { host: PullRequestHost; apiUrl?: string } | null;
}

export interface ProjectInput {
  name: string;
  repository: { url: string; defaultBranch?: string };
  environment?: EnvironmentInput;
  hibernateAfterSeconds?: number;
  approval?: ApprovalInput;
}

export interface Project {
  id: string;
  name: string;
  repository: { url: string; defaultBranch: string };
  /** With every default filled in. */
  environment: EnvironmentInput;
  /** Names; values are never shown. */
  secrets: string[];
  /** For the remote; itself never shown. */
  credential: { kind: 'token' | 'ssh_key'; setAt: string } | null;
  hibernateAfterSeconds: number;
  approval: Required<ApprovalInput>;
  createdAt: string;
  updatedAt: string;
}

/** For the server that the project's address names. A token goes with any user name where the server does not ask for one. */
export type CredentialInput =
  | { kind: 'token'; token: string; username?: string }
  | { kind: 'ssh_key'; privateKey: string; knownHosts: string };

// ---- tasks and trials ----

export interface Task {
  id: string;
  projectId: string;
  title: string;
  description: string;
  state: 'open' | 'done' | 'canceled';
  origin: 'manual' | 'suggested';
  createdAt: string;
  updatedAt: string;
}

export interface TaskInput {
  title: string;
  description?: string;
}

// ---- suggestions ----

export interface Suggestion {
  id: string;
  projectId: string;
  kind: SuggestionKind;
  /** One line. */
  title: string;
  description: string;
  /** From 0 to 1. */
  score: number;
  state: SuggestionState;
  /** Lines of `commit`. */
  evidence: Evidence[];
  /** Of a failing check. */
  output: OutputEvidence | null;
  commit: string;
  /** Why it was dismissed. */
  reason: string | null;
  /** What accepting it has made. */
  taskId: string | null;
  sessionId: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface Scan {
  projectId: string;
  state: 'running' | 'completed' | 'failed';
  step: ScanStep | null;
  commit: string | null;
  /** Looked for to the end. */
  kinds: SuggestionKind[];
  added: number;
  updated: number;
  resolved: number;
  /** What was not done or not kept, and why. */
  notes: string[];
  detail: string | null;
  startedAt: string;
  endedAt: string | null;
}

export interface SuggestionQuery extends PageQuery {
  /** Default: open. */
  state?: SuggestionState | 'all';
  kind?: SuggestionKind;
}

export interface SuggestionPage extends Page<Suggestion> {
  /** The newest one of the project. */
  scan: Scan | null;
}

export interface SuggestionAcceptInput {
  agent?: AgentInput;
  /** To the agent, instead of what the suggestion says. */
  message?: string;
}

export interface SuggestionAccepted {
  suggestion: Suggestion;
  task: Task;
  session: Session;
  /** null: no model is configured, and none was named. */
  turnId: string | null;
}

export interface TrialInput {
  name?: string;
  /** Commands are run first, then the agent is told the message. */
  attempts: { title?: string; commands?: string[]; message?: string; agent?: AgentInput }[];
  verify?: string[];
  maxParallel?: number;
  /** Once an attempt has passed, the others are stopped. */
  stopWhen?: 'passed';
  budget?: TrialBudget;
}

/** Without either, the message is the task's title and description. */
export interface StartTaskInput {
  commands?: string[];
  message?: string;
  agent?: AgentInput;
}

export interface TrialSession {
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

export interface Trial {
  id: string;
  taskId: string;
  projectId: string;
  name: string;
  state: TrialState;
  /** Why it ended before each attempt had run its course. */
  reason: string | null;
  stopWhen: 'passed' | null;
  budget: TrialBudget;
  /** Of all turns, as far as their sessions have told. */
  usage: { tokens: number; costUsd: number };
  sessions: TrialSession[];
  createdAt: string;
  endedAt: string | null;
}

/** One session of one trial of a task. */
export interface ComparedSession {
  sessionId: string;
  trialId: string;
  title: string;
  verdict: Verdict | null;
  reason: string | null;
  /** null: not known, or not yet. */
  commits: number | null;
  filesChanged: number | null;
  additions: number | null;
  deletions: number | null;
  commands: number;
  durationSeconds: number | null;
  turns: number | null;
  /** Of its turns, in and out. */
  tokens: number | null;
  /** Of its turns, in US dollars. */
  cost: number | null;
  /** The session's newest. */
  proposal: { id: string; state: ProposalState } | null;
}

export interface Comparison {
  taskId: string;
  items: ComparedSession[];
}

// ---- proposals ----

export interface Proposal {
  id: string;
  sessionId: string;
  projectId: string;
  title: string;
  description: string;
  state: ProposalState;
  targetBranch: string;
  /** The target's commit that the head was merged with. */
  baseCommit: string | null;
  headCommit: string | null;
  /** What is checked; nothing else will land. */
  candidateTree: string | null;
  filesChanged: number | null;
  conflicts: string[];
  checks: {
    command: string;
    outcome: CommandOutcome | null;
    exitCode: number | null;
    /** Of the session `checkSessionId`. */
    commandId: string | null;
  }[];
  checkSessionId: string | null;
  approvals: { by: string; at: string; headCommit: string; comment: string }[];
  requiredApprovals: number;
  mergeRequestedBy: string | null;
  mergeCommit?: string;
  /** Where it was put up on the host of the remote, as that last said. */
  pullRequest: {
    host: PullRequestHost;
    url: string;
    number: number;
    state: 'open' | 'merged' | 'closed';
    branch: string;
    headCommit: string;
    /** By the host's name for them. */
    by: string | null;
    /** What the host merged. */
    mergedTree: string | null;
  } | null;
  /** What it waits for, or why something did not work. */
  detail: string | null;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
}

export interface ProposalDecision {
  comment?: string;
  /** What it is about: refused where the head is another by now. */
  headCommit?: string;
}

// ---- sessions and commands ----

export interface SessionInput {
  title?: string;
  taskId?: string;
  trialId?: string;
  baseRef?: string;
  /** Begins with another session's files and history as at a checkpoint (the newest), hibernated. */
  fork?: { sessionId: string; checkpointId?: string };
  env?: Record<string, string>;
  labels?: Record<string, string>;
}

export interface UpdatedSession extends Session {
  /** `conflicts`: half done, and left to the session. */
  outcome: 'up_to_date' | 'updated' | 'conflicts';
  /** The newest of the default branch, which was brought in. */
  commit: string;
  conflicts: string[];
}

export interface ForkInput {
  /** Default: the newest. */
  checkpointId?: string;
  /** How many, at most 16; default 1. */
  count?: number;
}

export interface Session {
  id: string;
  projectId: string;
  taskId: string | null;
  trialId: string | null;
  title: string;
  labels: Record<string, string>;
  state: SessionState;
  branch: string;
  baseCommit: string | null;
  headCommit: string | null;
  /** Commits that the head has and the default branch has not, as at the newest checkpoint; null: not known yet. */
  ahead: number | null;
  /** The other way round. */
  behind: number | null;
  runner: string | null;
  /** Its rank, from 1, among all sessions that wait for a place on a runner; null: it does not wait. */
  queuePosition: number | null;
  /** Of the newest event: what comes later is read with `after`. */
  lastCursor: string;
  /** Where its files and the beginning of its history are from; null: it began with the repository. */
  fork: { sessionId: string; checkpointId: string } | null;
  failure?: { code: string; detail: string };
  createdAt: string;
  lastActiveAt: string;
}

export interface SessionFilter extends PageQuery {
  projectId?: string;
  taskId?: string;
  trialId?: string;
  state?: SessionState;
}

/** The work tree as it was at a position of the history. */
export interface Checkpoint {
  id: string;
  /** Counts the session's checkpoints from 1. */
  number: number;
  commit: string;
  tree: string;
  label?: string;
  /** The command that it follows. */
  commandId?: string;
  /** Of its event: the history up to it led to these files. */
  cursor: string;
  createdAt: string;
  filesChanged: number;
  /** What of the work tree and the repository is not in it; `files`: the first of each kind. */
  leftOut: { kind: string; count: number; files: { path: string; bytes: number; sha256: string }[] }[];
}

/** The checkpoint that a revert is itself. The texts are for people. */
export interface Revert extends Checkpoint {
  revertedTo: { id: string; number: number };
  /** False where something has written to the work tree meanwhile. */
  exact: boolean;
  /** What is in the work tree and in no checkpoint, and was left as it is. */
  notTouched: string[];
  /** What the checkpoint itself was without. */
  notRestored: string[];
  /** What no checkpoint has and is gone: it was ignored, and is not by the rules of the checkpoint. */
  removed: string[];
}

export interface FileItem {
  name: string;
  path: string;
  /** submodule: a directory with a repository of its own. */
  type: 'file' | 'directory' | 'symlink' | 'submodule';
  /** null for a directory. */
  size: number | null;
  executable: boolean;
}

export interface FileListQuery extends PageQuery {
  /** Of the directory; the work tree itself by default. */
  path?: string;
  /** A checkpoint's id, or "base". */
  at?: string;
}

export interface FileContent {
  body: ReadableStream<Uint8Array>;
  /** Of the whole file. */
  size: number;
  /** Where the body begins in it, and how long it is. */
  offset: number;
  length: number;
  /** Of the content; null for a very large file. */
  etag: string | null;
  /** "live", the id of a checkpoint, or "base". */
  at: string;
}

export interface FileWrite {
  /** By default as it was, and of a new file not. */
  executable?: boolean;
  ifMatch?: string;
  create?: boolean;
}

export interface ChangedFile {
  path: string;
  status: 'added' | 'modified' | 'mode_changed' | 'unchanged';
  additions: number;
  deletions: number;
  binary: boolean;
  etag: string;
}

export interface DiffQuery {
  /** "base", "head", or a checkpoint's id. */
  from?: string;
  to?: string;
  /** False: only the list of files. */
  patch?: boolean;
}

export interface Diff {
  files: DiffFile[];
  /** More files differ than are listed. */
  filesTruncated: boolean;
  patch: string;
  /** The patch is cut, which its last line says too. */
  truncated: boolean;
  /** False: the patch has bytes that are not UTF-8. */
  patchIsExact: boolean;
  from: DiffEnd;
  to: DiffEnd;
  /** False: something has run since the newest checkpoint that is not in the comparison yet. */
  upToDate: boolean;
}

export interface DiffFile {
  path: string;
  oldPath?: string;
  status: 'added' | 'modified' | 'deleted' | 'renamed' | 'mode_changed';
  additions: number;
  deletions: number;
  binary: boolean;
}

export interface DiffEnd {
  /** null: the commit that the session began with. */
  checkpointId: string | null;
  commit: string;
}

export interface CommandInput {
  command: string;
  cwd?: string;
  env?: Record<string, string>;
  timeoutSeconds?: number;
  /** Written to the command and closed; '' is an empty input. Without it the input stays open for `writeStdin`. */
  stdin?: string;
  background?: boolean;
}

export interface Command {
  id: string;
  sessionId: string;
  command: string;
  cwd: string;
  background: boolean;
  timeoutSeconds: number | null;
  /** Who asked: user, setup, trial, verify. */
  origin: string;
  state: 'queued' | 'running' | 'ended';
  outcome: CommandOutcome | null;
  reason?: string;
  exitCode: number | null;
  /** "SIGTERM". */
  signal: string | null;
  queuedAt: string;
  startedAt: string | null;
  endedAt: string | null;
  stdoutBytes: number;
  stderrBytes: number;
  /** The last 64 KiB; only with a wait. */
  output?: { text: string; truncated: boolean };
}

// ---- events ----

/** `nextCursor` is never null: ask again with it. `complete`: nothing newer was stored when this was answered. */
export interface EventPage {
  items: PublicEvent[];
  nextCursor: string;
  complete: boolean;
}

// ---- query and operation ----

/** Rows are objects by column name; `truncated` when there are more than a result may have. */
export interface QueryResult {
  columns: string[];
  rows: Record<string, unknown>[];
  truncated: boolean;
}

export interface Readiness {
  ready: boolean;
  parts: Record<string, { ok: boolean; detail?: string }>;
}

export interface Runner {
  id: string;
  version: string;
  startedAt: string;
  labels: Record<string, string>;
  slots: { total: number; used: number; memoryMb: { total: number | null; used: number } };
  /** Live sessions that are placed there and not hibernated. */
  sessions: number;
  /** It is told to take no session and to hibernate its own. */
  draining: boolean;
  /** The part whose absence keeps it from making sandboxes: docker or disk. */
  unavailable: string | null;
}

/** What a runner was told last. */
export interface RunnerOrder {
  runnerId: string;
  draining: boolean;
  /** Principal id. */
  by: string;
  at: string;
}

/** `max` null: no such bound. */
export interface LimitUse {
  used: number;
  max: number | null;
}

export interface Limits {
  /** Sessions that are neither archived nor failed. */
  liveSessions: LimitUse;
  /** `used`: sessions with a running command, so at least so many commands run, but for those of less than a second. */
  runningCommands: LimitUse;
  /** Of one gateway. */
  eventStreams: LimitUse;
  waitingRequests: LimitUse;
  /** Those with live sessions, the most first. */
  projects: { projectId: string; liveSessions: LimitUse; runningCommands: LimitUse }[];
  projectsLeftOut: number;
}

// ---- turns ----

/** Who answers, what it may do, and how much. What is not said is the operator's default. */
export interface AgentInput {
  kind?: AgentKind;
  /** "anthropic/…", as the operator has it. */
  model?: string;
  /** Of a "custom" one: how it is started. */
  command?: string;
  permissions?: Partial<PermissionPolicy>;
  limits?: Partial<TurnLimits>;
}

export interface MessageInput {
  text: string;
  agent?: AgentInput;
}

export interface MessageTaken {
  turnId: string;
}

/** A message, and all that followed from it until the agent yielded. */
export interface Turn {
  id: string;
  sessionId: string;
  /** Of the message. */
  text: string;
  state: 'queued' | 'running' | 'ended';
  outcome: TurnOutcome | null;
  reason?: string;
  /** null while it goes on. */
  usage: (TokenUsage & { steps: number }) | null;
  /** Of one turn that is asked for: what waits for an answer. Absent while that cannot be told. */
  permissions?: PermissionRequest[];
  queuedAt: string;
  startedAt: string | null;
  endedAt: string | null;
}

export interface ChatInput extends MessageInput {
  /** Of the session; without it, the message's first line. */
  title?: string;
}

export interface Chat {
  session: Session;
  turn: Turn & MessageTaken;
}

export interface PermissionAnswer {
  decision: 'allow' | 'deny';
  /** Until the session ends, for what is of the same kind. */
  remember?: boolean;
}

/** Something without its counterpart. */
export interface Finding {
  part: 'sandbox-runner' | 'orchestrator';
  /** Of the part's process that found it: a runner's id. */
  id: string;
  /** container, volume, directory, artifact, session, workflow, … */
  kind: string;
  name: string;
  /** null: nobody's. */
  organizationId: string | null;
  sessionId: string | null;
  generation: number | null;
  since: string;
  reason: string;
  /** "report": only a person can tell whether it may go. */
  action: 'remove' | 'report';
  due: string | null;
}

export interface Doctor {
  findings: Finding[];
  checkedAt: string;
  /** There are more. */
  truncated: boolean;
  /** Who did not answer, and what could not be looked at. */
  incomplete: string[];
}

export interface DoctorFix extends Doctor {
  removed: Finding[];
  failed: { finding: Finding; reason: string }[];
}
