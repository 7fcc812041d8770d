// Generated from docs/openapi.json by `npm run generate`.

export interface AcceptSuggestion {
  agent?: Agent;
  /** To the agent, instead of what the suggestion says. */
  message?: string;
}

export interface Agent {
  /** Without it: "built_in". The others run in the sandbox, whose image or setup has to have them. */
  kind?: "built_in" | "opencode" | "gemini" | "codex" | "custom";
  /** Provider and model, "anthropic/…". Without it: the operator's default. Of an agent that is not built in: what it is told, or its own choice. */
  model?: string;
  /** Of a "custom" agent: speaks the Agent Client Protocol; run with sh in the work tree. */
  command?: string;
  /** Of an agent that is not built in: so long without a word from it, and its turn has failed. */
  silenceSeconds?: number;
  /** What it may do with each kind of tool; what is not named is allowed. */
  permissions?: {
    read?: "allow" | "ask" | "deny";
    edit?: "allow" | "ask" | "deny";
    execute?: "allow" | "ask" | "deny";
    fetch?: "allow" | "ask" | "deny";
    other?: "allow" | "ask" | "deny";
  };
  limits?: {
    steps?: number;
    tokens?: number;
    costUsd?: number;
    seconds?: number;
  };
}

/** A fork has those of its parent where it says nothing. */
export interface AgentLimits {
  steps?: number | null;
  tokens?: number | null;
  costUsd?: number | null;
  seconds?: number | null;
}

export interface AnswerPermission {
  decision: "allow" | "deny";
  /** It stands for every tool of that kind that would be asked for in this session. */
  remember?: boolean;
}

export interface ApiKey {
  id: string;
  principalId: string;
  scopes: Array<"read" | "run" | "approve" | "admin">;
  createdAt: string;
  expiresAt: string | null;
}

export interface ApprovalPolicy {
  requiredApprovals: number;
  authorMayApprove: boolean;
  requiredChecks: string[];
  /** With `pull_request` the head is put up on the host of the remote, which merges it. */
  mergeMethod: "merge" | "squash" | "pull_request";
  /** Whose API opens pull requests, by the token of the project’s credential. null: told by repository.url, for github.com and gitlab.com. `apiUrl` is on the same server, and needed where the API is not at its usual path. */
  pullRequest: {
    host: "github" | "gitlab" | "gitea";
    apiUrl?: string;
  } | null;
}

export interface ApprovalsReport {
  groupBy: "all" | "project" | "task" | "session" | "actor";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** An id; of `actor` of who has opened, decided, asked or answered. Empty of all together, and for no task. */
    key: string;
    /** Proposals. */
    opened: number;
    approved: number;
    rejected: number;
    merged: number;
    closed: number;
    checksFailed: number;
    /** By agents. */
    permissionsRequested: number;
    permissionsAllowed: number;
    permissionsDenied: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface AuditRecord {
  id: string;
  time: string;
  actor: {
    kind: "user" | "agent" | "system";
    id: string;
  };
  action: string;
  resourceId: string;
  requestId: string;
  detail: Record<string, unknown>;
}

export interface ChangedFile {
  path: string;
  status: "added" | "modified" | "mode_changed" | "unchanged";
  /** Lines; 0 for what is binary. */
  additions: number;
  deletions: number;
  binary: boolean;
  /** Of the content it has now. */
  etag: string;
}

export interface Chat {
  session: Session;
  turn: Turn & {
    /** Its id, as a message is answered with. */
    turnId: string;
  };
}

export interface Checkpoint {
  id: string;
  /** Counts the session's checkpoints from 1. */
  number: number;
  /** Of the work tree as a commit, outside the repository's own branches. */
  commit: string;
  tree: string;
  label?: string;
  /** The command that it follows. */
  commandId?: string;
  /** Of its event: the history up to it led to these files. */
  cursor: string;
  createdAt: string;
  /** Against the checkpoint before it. */
  filesChanged: number;
  /** What of the work tree and the repository is not in it. */
  leftOut: Array<{
    /** large, unreadable, name (git refuses it), special, changing, nested, or of a repository. */
    kind: string;
    count: number;
    /** The first of them; size and digest of large ones. */
    files: Array<{
      path: string;
      bytes: number;
      sha256: string;
    }>;
  }>;
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
  state: "queued" | "running" | "ended";
  outcome: "exited" | "signaled" | "timed_out" | "canceled" | "oom_killed" | "output_limit" | "sandbox_lost" | "host_lost" | "failed_to_start" | null;
  reason?: string;
  exitCode: number | null;
  signal: string | null;
  queuedAt: string;
  startedAt: string | null;
  endedAt: string | null;
  stdoutBytes: number;
  stderrBytes: number;
  /** The last 64 KiB of both streams as written; only with a wait. */
  output?: {
    text: string;
    truncated: boolean;
  };
}

export interface CommandFailuresReport {
  groupBy: "kind" | "all" | "project" | "task" | "session";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** `exit <code>`, or an outcome other than `exited`; or an id. Empty of all together, and for no task. */
    key: string;
    failures: number;
    sessions: number;
    lastAt: string;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface ComparedSession {
  sessionId: string;
  trialId: string;
  title: string;
  verdict: "passed" | "failed" | null;
  reason: string | null;
  commits: number | null;
  filesChanged: number | null;
  /** Lines. */
  additions: number | null;
  /** Lines. */
  deletions: number | null;
  /** That the trial has run in it. */
  commands: number;
  /** From the start to the end of the attempt. */
  durationSeconds: number | null;
  /** Of its agent. */
  turns: number | null;
  /** Of all turns that have ended, in and out. */
  tokens: number | null;
  /** Of the same, in US dollars. */
  cost: number | null;
  proposal: {
    id: string;
    state: "checking" | "awaiting_approval" | "mergeable" | "merged" | "conflicted" | "checks_failed" | "rejected" | "closed";
  } | null;
}

export interface Comparison {
  taskId: string;
  items: ComparedSession[];
}

export interface ContextHit {
  kind: "symbol" | "text" | "file";
  /** Bytes that are not UTF-8, and control characters, as \x escapes. */
  path: string;
  /** Of what the snippet shows, from 1; 0 of a file without indexed content. */
  firstLine: number;
  lastLine: number;
  /** The id of the content, as git names it. */
  blob: string;
  /** From 0 to 1: 1 is a name that is exactly what was asked for. */
  score: number;
  language: string | null;
  /** At most 12 lines; long ones are cut. */
  snippet: string;
  symbol?: {
    name: string;
    kind: string;
    /** What it is defined in. */
    parent: string | null;
    /** Of all of the definition. */
    firstLine: number;
    lastLine: number;
  };
}

export interface ContextSearch {
  /** The best first. */
  items: ContextHit[];
  commit: string;
  repository: string;
  index: {
    /** False: it is still being made; more may be found later. */
    complete: boolean;
    files: number;
    indexed: number;
    /** Files whose content is not indexed, by reason. */
    skipped: Record<string, number>;
  };
}

export interface CreateApiKey {
  principalId: string;
  scopes: Array<"read" | "run" | "approve" | "admin">;
  /** When the key ends to work; without it, when it is deleted. */
  expiresAt?: string;
}

export interface CreateChat {
  text: string;
  agent?: Agent;
  /** Of the session; without it, the message's first line. */
  title?: string;
}

export interface CreateCheckpoint {
  label?: string;
}

export interface CreateCommand {
  /** Given to sh -c. */
  command: string;
  /** Relative to the work tree. */
  cwd?: string;
  env?: Record<string, string>;
  timeoutSeconds?: number;
  /** Written, then closed. Without it, standard input stays open for …/stdin. */
  stdin?: string;
  /** Runs beside the others instead of in order. */
  background?: boolean;
}

export interface CreateMessage {
  text: string;
  agent?: Agent;
}

export interface CreateOrganization {
  name: string;
  principal: CreatePrincipal;
}

export interface CreatePrincipal {
  name: string;
  kind: "user" | "service";
}

export interface CreateProject {
  name: string;
  repository: {
    url: string;
    defaultBranch?: string;
  };
  environment?: EnvironmentInput;
  /** A session without a live command for so long is hibernated; 0: never. */
  hibernateAfterSeconds?: number;
  approval?: {
    requiredApprovals?: number;
    authorMayApprove?: boolean;
    requiredChecks?: string[];
    /** With `pull_request` the head is put up on the host of the remote, which merges it. */
    mergeMethod?: "merge" | "squash" | "pull_request";
    /** Whose API opens pull requests, by the token of the project’s credential. null: told by repository.url, for github.com and gitlab.com. `apiUrl` is on the same server, and needed where the API is not at its usual path. */
    pullRequest?: {
      host: "github" | "gitlab" | "gitea";
      apiUrl?: string;
    } | null;
  };
}

export interface CreateProposal {
  title?: string;
  description?: string;
}

export interface CreateSession {
  title?: string;
  taskId?: string;
  trialId?: string;
  /** Branch, tag or commit; without it, the newest default branch. */
  baseRef?: string;
  /** Begins with the files and history of another session of the project as at a checkpoint, hibernated. */
  fork?: {
    sessionId: string;
    checkpointId?: string;
  };
  env?: Record<string, string>;
  labels?: Record<string, string>;
  agentLimits?: AgentLimits;
}

export interface CreateTask {
  title: string;
  description?: string;
}

export interface CreateTrial {
  name?: string;
  /** One session each. */
  attempts: Array<{
    title?: string;
    /** Run first; with a message, to prepare for it. */
    commands?: string[];
    /** What the agent is told. */
    message?: string;
    agent?: Agent;
  }>;
  /** Passed means that all of these exit 0; without them, that all commands did and the turn was completed. */
  verify?: string[];
  maxParallel?: number;
  /** Once an attempt has passed, the others are stopped and end without a verdict. */
  stopWhen?: "passed";
  /** Of all attempts together, seconds from the start of the trial. Used up, no turn goes on or begins. */
  budget?: {
    tokens?: number;
    costUsd?: number;
    seconds?: number;
  };
}

export interface CreateWebhook {
  /** Reached by https; by http only what the operator has allowed of private networks. */
  url: string;
  /** Which events. Output and deltas are not delivered, they are read from the history. */
  types: Array<"session.created" | "session.ready" | "session.busy" | "session.hibernating" | "session.hibernated" | "session.resuming" | "session.resumed" | "session.restored" | "session.placed" | "session.failed" | "session.archived" | "session.reverted" | "session.forked" | "session.branch_left" | "session.updated" | "command.queued" | "command.started" | "command.ended" | "checkpoint.created" | "files.changed" | "turn.started" | "turn.ended" | "message.user" | "message.agent" | "reasoning" | "tool.started" | "tool.ended" | "permission.requested" | "permission.answered" | "file.read" | "context.referenced" | "plan.updated" | "usage" | "message.summary" | "proposal.opened" | "proposal.checked" | "proposal.approved" | "proposal.rejected" | "proposal.merged" | "proposal.closed" | "trial.verdict" | "egress.refused" | "limit.reached" | "gap">;
  projectId?: string;
  description?: string;
}

export interface CreatedOrganization {
  organization: Organization;
  principal: Principal;
  key: NewApiKey;
}

export interface DecideProposal {
  comment?: string;
  /** What it is about: 409 where the head is another by now. */
  headCommit?: string;
}

export interface Diff {
  /** At most 100000. */
  files: DiffFile[];
  /** More files differ than are listed. */
  filesTruncated: boolean;
  /** As git apply takes it; at most 5242880 bytes, cut before the file that goes over it. */
  patch: string;
  /** The patch is cut, which its last line says too. */
  truncated: boolean;
  /** False: it has bytes that are not UTF-8, which `Accept: text/x-diff` gives as they are. */
  patchIsExact: boolean;
  from: {
    /** null: the commit that the session began with. */
    checkpointId: string | null;
    commit: string;
  };
  to: {
    /** null: the commit that the session began with. */
    checkpointId: string | null;
    commit: string;
  };
  /** False: something has run since the newest checkpoint that is not in the comparison yet. */
  upToDate: boolean;
}

export interface DiffFile {
  /** Bytes that are not UTF-8, and control characters, as \x escapes. */
  path: string;
  /** Of a renamed file. */
  oldPath?: string;
  status: "added" | "modified" | "deleted" | "renamed" | "mode_changed";
  additions: number;
  deletions: number;
  binary: boolean;
}

export interface DismissSuggestion {
  reason?: string;
}

export interface Doctor {
  findings: Finding[];
  checkedAt: string;
  /** There are more findings than are shown. */
  truncated: boolean;
  /** Who did not answer, and what could not be looked at: empty when all was. */
  incomplete: string[];
}

export interface DoctorFix {
  findings: Finding[];
  checkedAt: string;
  /** There are more findings than are shown. */
  truncated: boolean;
  /** Who did not answer, and what could not be looked at: empty when all was. */
  incomplete: string[];
  removed: Finding[];
  failed: Array<{
    finding: Finding;
    reason: string;
  }>;
}

export interface DrainRunner {
  /** Take sessions again. */
  undo?: boolean;
}

export interface Environment {
  image: string | null;
  packages: string[];
  env: Record<string, string | {
    secret: string;
  }>;
  setup: string[];
  persist: string[];
  network: {
    mode: "none" | "restricted" | "open";
    allow: string[];
  };
  runtime: "runc" | "runsc";
  runnerLabels: Record<string, string>;
  resources: {
    cpus: number;
    memoryMb: number;
    pids: number;
    outputBytesMax: number;
    outputOverflow: "end" | "keep_tail";
  };
}

export interface EnvironmentInput {
  image?: string;
  packages?: string[];
  env?: Record<string, string | {
    secret: string;
  }>;
  setup?: string[];
  persist?: string[];
  network?: {
    /** none: no network. restricted: what `allow` names, by proxy or by name, and models. open: every public address by TCP, names, and models. Never the host, another sandbox, or private addresses that the operator does not allow. */
    mode?: "none" | "restricted" | "open";
    /** `host:port`; `*.host:port` is every name below it. Counts with `restricted`. */
    allow?: string[];
  };
  runtime?: "runc" | "runsc";
  runnerLabels?: Record<string, string>;
  resources?: {
    cpus?: number;
    memoryMb?: number;
    pids?: number;
    outputBytesMax?: number;
    /** A command above `outputBytesMax` is ended, or goes on and the end of its output is kept. */
    outputOverflow?: "end" | "keep_tail";
  };
}

export interface Event {
  cursor: string;
  id: string;
  sessionId: string;
  turnId?: string;
  commandId?: string;
  type: "session.created" | "session.ready" | "session.busy" | "session.hibernating" | "session.hibernated" | "session.resuming" | "session.resumed" | "session.restored" | "session.placed" | "session.failed" | "session.archived" | "session.reverted" | "session.forked" | "session.branch_left" | "session.updated" | "command.queued" | "command.started" | "command.output" | "command.ended" | "checkpoint.created" | "files.changed" | "turn.started" | "turn.ended" | "message.user" | "message.agent" | "message.agent_delta" | "reasoning" | "reasoning.delta" | "tool.started" | "tool.ended" | "permission.requested" | "permission.answered" | "file.read" | "context.referenced" | "plan.updated" | "usage" | "message.summary" | "proposal.opened" | "proposal.checked" | "proposal.approved" | "proposal.rejected" | "proposal.merged" | "proposal.closed" | "trial.verdict" | "egress.refused" | "limit.reached" | "gap";
  time: string;
  actor: {
    kind: "user" | "agent" | "system";
    id: string;
  };
  /** By type: see proto/worktrail/v1/event.proto. */
  data: Record<string, unknown>;
}

export interface EventPage {
  items: Event[];
  /** Never null: ask again with it. */
  nextCursor: string;
  /** Nothing more was known when the answer was made. */
  complete: boolean;
}

export interface FileItem {
  /** Bytes that are not UTF-8, and control characters, as \x escapes. */
  name: string;
  path: string;
  /** submodule: a directory with a repository of its own. */
  type: "file" | "directory" | "symlink" | "submodule";
  /** In bytes; of a symlink, of what it says; null for a directory. */
  size: number | null;
  executable: boolean;
}

export interface FilesChangedReport {
  groupBy: "path" | "project" | "task" | "session" | "status";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** A path in the repository of `projectId`, an id, or a status: `added`, `modified`, `deleted`, `renamed`, `mode_changed`. Empty: for no task. */
    key: string;
    /** Of a path; else null. */
    projectId: string | null;
    changes: number;
    sessions: number;
    linesAdded: number;
    linesRemoved: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface FilesReadReport {
  groupBy: "path" | "project" | "task" | "session";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** A path in the repository of `projectId`, or an id. Empty: for no task. */
    key: string;
    /** Of a path; else null. */
    projectId: string | null;
    reads: number;
    sessions: number;
    bytesRead: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface Finding {
  part: "sandbox-runner" | "orchestrator";
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
  /** report: only a person can tell whether it may go. */
  action: "remove" | "report";
  /** When it is removed; null for report. */
  due: string | null;
}

export interface ForkSession {
  /** One of the session's; without it, the newest: what has just ended is waited for. */
  checkpointId?: string;
  /** How many sessions are made. */
  count?: number;
}

export interface ImportedPiece {
  sessionId: string;
  /** Of this piece. */
  events: number;
  /** Of these, such as were not there before. */
  stored: number;
  /** There is the session now, with its whole history. */
  complete: boolean;
}

export interface Limits {
  /** Sessions that are neither archived nor failed. */
  liveSessions: {
    used: number;
    /** null: no such bound. */
    max: number | null;
  };
  /** used: busy sessions, by their documents: those with a running command, but for one of less than a second, or with a turn of an agent. */
  runningCommands: {
    used: number;
    /** null: no such bound. */
    max: number | null;
  };
  /** Open event streams in this gateway. */
  eventStreams: {
    used: number;
    /** null: no such bound. */
    max: number | null;
  };
  /** Requests that wait for something in this gateway. */
  waitingRequests: {
    used: number;
    /** null: no such bound. */
    max: number | null;
  };
  /** Those with live sessions, the most first, at most 200; with projectId= this one. */
  projects: Array<{
    projectId: string;
    /** Sessions that are neither archived nor failed. */
    liveSessions: {
      used: number;
      /** null: no such bound. */
      max: number | null;
    };
    /** used: busy sessions, by their documents: those with a running command, but for one of less than a second, or with a turn of an agent. */
    runningCommands: {
      used: number;
      /** null: no such bound. */
      max: number | null;
    };
  }>;
  projectsLeftOut: number;
}

export interface Me {
  organization: Organization;
  principal: Principal;
  key: {
    id: string;
  };
  scopes: Array<"read" | "run" | "approve" | "admin">;
}

export interface MessageTaken {
  turnId: string;
}

export interface Model {
  name: string;
  provider: "custom" | "openai" | "anthropic" | "google" | null;
  contextTokens: number | null;
  outputTokensMax: number | null;
  /** In USD for a million tokens; null: it has none, and costs 0. */
  price: {
    input: number;
    cachedInput: number;
    output: number;
  } | null;
  /** Of messages that name none. */
  isDefault: boolean;
}

export interface Models {
  items: Model[];
}

export type NewApiKey = ApiKey & {
  /** The whole key, shown this once: wt_<keyId>_<secret>. */
  secret: string;
};

export type NewWebhook = Webhook & {
  /** whsec_…: what deliveries are signed with. It is shown this once. */
  secret: string;
};

export interface OperatorConfig {
  defaults: Record<string, unknown>;
  ceilings: Record<string, unknown>;
  quotas: Record<string, unknown>;
  images: Record<string, unknown>;
  runner: Record<string, unknown>;
  artifacts: Record<string, unknown>;
  reconcile: Record<string, unknown>;
  model: Record<string, unknown>;
  events: Record<string, unknown>;
  webhooks: Record<string, unknown>;
  retention: Record<string, unknown>;
  /** Where each value comes from, by its path: "defaults.memoryMb". */
  origins: Record<string, {
    from: "default" | "file" | "environment";
    /** The variable of the environment that says the value, or would. */
    variable: string;
  }>;
}

export interface Organization {
  id: string;
  name: string;
  createdAt: string;
}

export interface OutcomesReport {
  groupBy: "all" | "project" | "task" | "session";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** An id. Empty of all together, and for no task. */
    key: string;
    turnsCompleted: number;
    /** A limit was reached. */
    turnsLimited: number;
    turnsCanceled: number;
    turnsFailed: number;
    /** With exit code 0. */
    commandsSucceeded: number;
    commandsCanceled: number;
    commandsFailed: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface OutputVolumeReport {
  groupBy: "all" | "project" | "task" | "session";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** An id. Empty of all together, and for no task. */
    key: string;
    outputBytes: number;
    /** That have ended. */
    commands: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface PatchProject {
  name?: string;
  repository?: {
    url?: string;
    defaultBranch?: string;
  };
  environment?: EnvironmentInput;
  /** A session without a live command for so long is hibernated; 0: never. */
  hibernateAfterSeconds?: number;
  approval?: {
    requiredApprovals?: number;
    authorMayApprove?: boolean;
    requiredChecks?: string[];
    /** With `pull_request` the head is put up on the host of the remote, which merges it. */
    mergeMethod?: "merge" | "squash" | "pull_request";
    /** Whose API opens pull requests, by the token of the project’s credential. null: told by repository.url, for github.com and gitlab.com. `apiUrl` is on the same server, and needed where the API is not at its usual path. */
    pullRequest?: {
      host: "github" | "gitlab" | "gitea";
      apiUrl?: string;
    } | null;
  };
}

export interface PatchSession {
  title?: string;
  labels?: Record<string, string>;
  agentLimits?: AgentLimits;
}

export interface PatchTask {
  title?: string;
  description?: string;
  state?: "open" | "done" | "canceled";
}

export interface Permission {
  permissionId: string;
  toolCallId: string;
  toolKind: "read" | "edit" | "execute" | "fetch" | "other";
  detail: string;
}

export interface PermissionAnswer {
  permissionId: string;
  decision: "allow" | "deny";
  remember: boolean;
}

export interface Principal {
  id: string;
  name: string;
  kind: "user" | "service";
  createdAt: string;
}

/** RFC 9457 */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: "validation_failed" | "malformed_request" | "cursor_invalid" | "cursor_expired" | "unauthenticated" | "scope_missing" | "not_found" | "method_not_allowed" | "conflict" | "session_busy" | "session_archived" | "session_failed" | "checkpoint_failed" | "command_ended" | "command_not_running" | "author_may_not_approve" | "precondition_failed" | "body_too_large" | "range_not_satisfiable" | "headers_too_large" | "idempotency_key_reused" | "idempotency_in_progress" | "repository_not_allowed" | "live_commands_exceeded" | "queued_commands_exceeded" | "queued_messages_exceeded" | "organization_sessions_exceeded" | "project_sessions_exceeded" | "rate_limited" | "dependency_unavailable" | "still_running" | "internal";
  /** The id of the request. */
  instance: string;
  errors?: Array<{
    path: string;
    message: string;
  }>;
}

export interface Project {
  id: string;
  name: string;
  repository: {
    url: string;
    defaultBranch: string;
  };
  environment: Environment;
  /** Names; values are never shown. */
  secrets: string[];
  /** For the remote; itself never shown. */
  credential: {
    kind: "token" | "ssh_key";
    setAt: string;
  } | null;
  hibernateAfterSeconds: number;
  approval: ApprovalPolicy;
  createdAt: string;
  updatedAt: string;
}

export interface Proposal {
  id: string;
  sessionId: string;
  projectId: string;
  title: string;
  description: string;
  state: "checking" | "awaiting_approval" | "mergeable" | "merged" | "conflicted" | "checks_failed" | "rejected" | "closed";
  targetBranch: string;
  /** The target's commit that the head was merged with. */
  baseCommit: string | null;
  headCommit: string | null;
  /** What is checked; nothing else will land. */
  candidateTree: string | null;
  filesChanged: number | null;
  /** Paths, at most 100 of them. */
  conflicts: string[];
  checks: Array<{
    command: string;
    outcome: "exited" | "signaled" | "timed_out" | "canceled" | "oom_killed" | "output_limit" | "sandbox_lost" | "host_lost" | "failed_to_start" | null;
    exitCode: number | null;
    commandId: string | null;
  }>;
  /** The session in which the checks run. */
  checkSessionId: string | null;
  approvals: Array<{
    by: string;
    at: string;
    headCommit: string;
    comment: string;
  }>;
  requiredApprovals: number;
  mergeRequestedBy: string | null;
  mergeCommit?: string;
  /** Where it was put up on the host of the remote, as that last said. */
  pullRequest: {
    host: "github" | "gitlab" | "gitea";
    url: string;
    number: number;
    state: "open" | "merged" | "closed";
    branch: string;
    /** What was pushed to the branch. */
    headCommit: string;
    /** Who merged or closed it, by the name that the host has. */
    by: string | null;
    /** What the host merged: not what was checked where it is not `candidateTree`. */
    mergedTree: string | null;
  } | null;
  /** What it waits for, or why something did not work. */
  detail: string | null;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
}

export type PutCredential = {
  kind: "token";
  token: string;
  username?: string;
} | {
  kind: "ssh_key";
  privateKey: string;
  knownHosts: string;
};

export interface PutRetention {
  /** The history of an archived session, after its last event. null: for ever. */
  eventsDays: number | null;
  /** The output of a command that has ended. null: as long as its events. */
  outputDays: number | null;
  auditDays: number | null;
}

export interface PutSecret {
  value: string;
}

export interface Query {
  sql: string;
  /** Values of the {name:Type} in the statement. */
  params?: Record<string, string | number | boolean | null | Array<string | number | boolean | null>>;
  format?: "json" | "jsonl" | "csv" | "parquet" | "arrow";
}

export interface QueryResult {
  columns: string[];
  rows: Array<Record<string, unknown>>;
  /** There are more rows than a result may have. */
  truncated: boolean;
}

export interface RecoveryReport {
  groupBy: "reason" | "outcome" | "project" | "session";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** A reason, as `host_lost`; an outcome: `resumed` exactly as left, `restored` from what was kept, `hibernated`, `archived`, `failed`; or an id. */
    key: string;
    /** That began in the time asked about, and are over. */
    recoveries: number;
    medianSeconds: number;
    p95Seconds: number;
    maxSeconds: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface ReplayDelivery {
  eventId: string;
}

export interface ReplayedDelivery {
  eventId: string;
}

export interface Retention {
  /** The history of an archived session, after its last event. null: for ever. */
  eventsDays: number | null;
  /** The output of a command that has ended. null: as long as its events. */
  outputDays: number | null;
  auditDays: number | null;
  events: {
    /** In force: the organization’s, within the operator’s. null: for ever. */
    days: number | null;
    /** What the operator allows; null: any. */
    daysMax: number | null;
    /** It is looked through once an hour. */
    lastRun: {
      time: string;
      cutoff: string;
      /** Rows. */
      removed: number;
    } | null;
    /** When the oldest that is kept was stored; null: there is nothing. */
    oldest: string | null;
  };
  output: {
    /** In force: the organization’s, within the operator’s. null: for ever. */
    days: number | null;
    /** What the operator allows; null: any. */
    daysMax: number | null;
    /** It is looked through once an hour. */
    lastRun: {
      time: string;
      cutoff: string;
      /** Rows. */
      removed: number;
    } | null;
    /** When the oldest that is kept was stored; null: there is nothing. */
    oldest: string | null;
  };
  audit: {
    /** In force: the organization’s, within the operator’s. null: for ever. */
    days: number | null;
    /** What the operator allows; null: any. */
    daysMax: number | null;
    /** It is looked through once an hour. */
    lastRun: {
      time: string;
      cutoff: string;
      /** Rows. */
      removed: number;
    } | null;
    /** When the oldest that is kept was stored; null: there is nothing. */
    oldest: string | null;
  };
}

/** The checkpoint that the revert is itself. */
export type Revert = Checkpoint & {
  revertedTo: {
    id: string;
    number: number;
  };
  /** False where something has written to the work tree meanwhile. */
  exact: boolean;
  /** For people. What is in the work tree and in no checkpoint: ignored files, files over the limit. */
  notTouched: string[];
  /** For people. What the checkpoint itself was without. */
  notRestored: string[];
  /** For people. What no checkpoint has and is gone: it was ignored, and is not by the rules of the checkpoint. */
  removed: string[];
};

export interface RevertSession {
  checkpointId: string;
  /** Cancels what runs first, with the reason `reverted`. */
  force?: boolean;
}

export interface Runner {
  id: string;
  startedAt: string;
  version: string;
  labels: Record<string, string>;
  slots: {
    total: number;
    used: number;
    /** What its sandboxes may use together by their environments; total null: no bound. */
    memoryMb: {
      total: number | null;
      used: number;
    };
  };
  /** Live sessions that are placed there and not hibernated. */
  sessions: number;
  /** It is told to take no session and to hibernate its own. */
  draining: boolean;
  /** The part whose absence keeps it from making sandboxes: docker or disk. */
  unavailable: string | null;
}

export interface RunnerOrder {
  runnerId: string;
  draining: boolean;
  /** The principal whose order it is. */
  by: string;
  at: string;
}

export interface Scan {
  projectId: string;
  state: "running" | "completed" | "failed";
  step: "reading" | "checking" | "asking" | "storing" | null;
  commit: string | null;
  /** Looked for to the end. */
  kinds: Array<"failing_check" | "todo" | "missing_test" | "outdated_docs" | "large_function" | "model">;
  added: number;
  updated: number;
  resolved: number;
  /** What was not done or not kept, and why. */
  notes: string[];
  /** Why it failed. */
  detail: string | null;
  startedAt: string;
  endedAt: string | null;
}

export interface SearchHit {
  type: "message.user" | "message.agent" | "message.summary" | "reasoning" | "command.queued" | "command.output";
  time: string;
  projectId: string;
  taskId: string | null;
  sessionId: string;
  turnId: string | null;
  commandId: string | null;
  /** Of the event in its session's history. */
  cursor: string;
  /** Of output. */
  stream: "stdout" | "stderr" | null;
  /** Of output: where the event's bytes begin in their stream. */
  offset: number | null;
  /** A piece of what was found, as it stands: it may have control characters. */
  text: string;
  highlights: Array<{
    /** In UTF-16 code units of `text`. */
    from: number;
    /** Not included. */
    to: number;
  }>;
}

export interface Session {
  id: string;
  projectId: string;
  taskId: string | null;
  trialId: string | null;
  title: string;
  labels: Record<string, string>;
  /** creating → ready ⇄ busy (a command is live, or a turn of an agent goes on); ready → hibernating (its files are being stored) → hibernated, or ready again when they could not be stored; hibernated (also a fork that was not used yet) → resuming (by a command or a request) → ready, or hibernated again; busy → resuming (its sandbox or its host was lost); any → failed (see `failure`), archived */
  state: "creating" | "ready" | "busy" | "hibernating" | "hibernated" | "resuming" | "failed" | "archived";
  branch: string;
  baseCommit: string | null;
  headCommit: string | null;
  /** Commits that the head has and the default branch has not, as at the newest checkpoint, as the mirror had the default branch then; null: not known yet. */
  ahead: number | null;
  /** Commits that the default branch has and the head has not, as at the newest checkpoint, as the mirror had the default branch then; null: not known yet. */
  behind: number | null;
  runner: string | null;
  /** Its rank, from 1, among all sessions that wait for a place on a runner; null: it does not wait. */
  queuePosition: number | null;
  /** Of the newest event: what comes later is read with after=. */
  lastCursor: string;
  createdAt: string;
  lastActiveAt: string;
  /** Where its files and the beginning of its history are from; null: it began with the repository. */
  fork: {
    sessionId: string;
    checkpointId: string;
  } | null;
  failure?: {
    code: string;
    detail: string;
  };
  agentLimits: {
    steps: number | null;
    tokens: number | null;
    costUsd: number | null;
    seconds: number | null;
  };
  /** What the turns of the session took that have ended. A fork begins with nothing. */
  agentUsage: {
    steps: number;
    tokens: number;
    costUsd: number;
    seconds: number;
  };
}

export interface SessionsReport {
  groupBy: "all" | "project" | "task";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** An id. Empty of all together, and for no task. */
    key: string;
    created: number;
    /** In which a turn or a command began, or that were created. */
    active: number;
    hibernated: number;
    resumed: number;
    archived: number;
    failed: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface Signal {
  signal: "HUP" | "INT" | "QUIT" | "ILL" | "TRAP" | "ABRT" | "BUS" | "FPE" | "KILL" | "USR1" | "SEGV" | "USR2" | "PIPE" | "ALRM" | "TERM" | "CHLD" | "CONT" | "STOP" | "TSTP" | "TTIN" | "TTOU" | "URG" | "WINCH" | "IO" | "SYS";
}

export interface SlowestCommandsReport {
  groupBy: "command";
  interval: "none";
  items: Array<{
    /** The id of the command. */
    key: string;
    projectId: string;
    sessionId: string;
    /** Its first 400 characters. */
    command: string;
    endedAt: string;
    durationSeconds: number;
    outcome: string;
    exitCode: number | null;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface StartTask {
  commands?: string[];
  /** Without it, and without commands: the task's title and description. */
  message?: string;
  agent?: Agent;
}

export interface Suggestion {
  id: string;
  projectId: string;
  kind: "failing_check" | "todo" | "missing_test" | "outdated_docs" | "large_function" | "model";
  /** One line without control characters. */
  title: string;
  description: string;
  /** From 0 to 1: how much it seems worth. */
  score: number;
  /** resolved: what it was about is not there any more. */
  state: "open" | "accepted" | "dismissed" | "resolved";
  /** Lines of `commit`. */
  evidence: Array<{
    /** Bytes that are not UTF-8, and control characters, as \x escapes. */
    path: string;
    firstLine: number;
    lastLine: number;
    /** The id of the content, as git names it. */
    blobId: string;
  }>;
  /** Of a failing check: what it printed last. */
  output: {
    sessionId: string;
    commandId: string;
    command: string;
    text: string;
  } | null;
  /** At which it was seen last. */
  commit: string;
  /** Why it was dismissed. */
  reason: string | null;
  taskId: string | null;
  sessionId: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface SuggestionAccepted {
  suggestion: Suggestion;
  task: Task;
  session: Session;
  /** null: no model is configured, and none was named. */
  turnId: string | null;
}

export interface SuggestionPage {
  items: Suggestion[];
  nextCursor: string | null;
  scan: Scan & Record<string, unknown> | null;
}

export interface Task {
  id: string;
  projectId: string;
  title: string;
  description: string;
  state: "open" | "done" | "canceled";
  origin: "manual" | "suggested";
  createdAt: string;
  updatedAt: string;
}

export interface TasksReport {
  groupBy: "task" | "strategy" | "task_strategy" | "trial" | "project" | "all";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** An id, or a strategy: the title of an attempt, else the name of its agent, else `commands`. Empty of all together. */
    key: string;
    /** By `task_strategy`; else null. */
    ofStrategy: string | null;
    attempts: number;
    passed: number;
    failed: number;
    /** That ended without a verdict. */
    unjudged: number;
    /** The part of them that passed, from 0 to 1. */
    success: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface Trial {
  id: string;
  taskId: string;
  projectId: string;
  name: string;
  state: "running" | "completed" | "failed" | "canceled";
  /** Why it ended before each attempt had run its course; null: it did not. */
  reason: string | null;
  stopWhen: "passed" | null;
  budget: {
    tokens?: number;
    costUsd?: number;
    seconds?: number;
  };
  /** Of all turns, in and out, as far as their sessions have told. */
  usage: {
    tokens: number;
    costUsd: number;
  };
  sessions: TrialSession[];
  createdAt: string;
  endedAt: string | null;
}

export interface TrialSession {
  sessionId: string;
  title: string;
  /** Of the attempt. */
  state: "pending" | "running" | "ended";
  verdict: "passed" | "failed" | null;
  reason: string | null;
  commandIds: string[];
  /** Of its message, once that was sent. */
  turnId: string | null;
  startedAt: string | null;
  endedAt: string | null;
}

export interface Turn {
  id: string;
  sessionId: string;
  text: string;
  state: "queued" | "running" | "ended";
  outcome: "completed" | "canceled" | "failed" | "limit_reached" | null;
  reason?: string;
  usage: {
    steps: number;
    inputTokens: number;
    outputTokens: number;
    cachedInputTokens: number;
    costUsd: number;
  } | null;
  /** Of one turn that is asked for: what waits for an answer. */
  permissions?: Permission[];
  queuedAt: string;
  startedAt: string | null;
  endedAt: string | null;
}

export interface TurnCanceled {
  accepted: boolean;
}

export interface UpdateSessionFromMain {
  method?: "merge" | "rebase";
}

export interface UpdateWebhook {
  /** Reached by https; by http only what the operator has allowed of private networks. */
  url?: string;
  /** Which events. Output and deltas are not delivered, they are read from the history. */
  types?: Array<"session.created" | "session.ready" | "session.busy" | "session.hibernating" | "session.hibernated" | "session.resuming" | "session.resumed" | "session.restored" | "session.placed" | "session.failed" | "session.archived" | "session.reverted" | "session.forked" | "session.branch_left" | "session.updated" | "command.queued" | "command.started" | "command.ended" | "checkpoint.created" | "files.changed" | "turn.started" | "turn.ended" | "message.user" | "message.agent" | "reasoning" | "tool.started" | "tool.ended" | "permission.requested" | "permission.answered" | "file.read" | "context.referenced" | "plan.updated" | "usage" | "message.summary" | "proposal.opened" | "proposal.checked" | "proposal.approved" | "proposal.rejected" | "proposal.merged" | "proposal.closed" | "trial.verdict" | "egress.refused" | "limit.reached" | "gap">;
  description?: string;
  /** Enabled again, it goes on where it was. */
  enabled?: boolean;
}

export type UpdatedSession = Session & {
  /** `conflicts`: half done. The session ends it by a commit, `git rebase --continue`, or a revert. */
  outcome: "up_to_date" | "updated" | "conflicts";
  /** The newest of the default branch, which was brought in. */
  commit: string;
  /** Paths; at most 300 are listed. */
  conflicts: string[];
};

export interface UsageReport {
  groupBy: "model" | "all" | "project" | "task" | "session" | "day";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** A name of a model, an id, or a day in UTC. Empty: it is not known, for no task, or all together. */
    key: string;
    calls: number;
    inputTokens: number;
    outputTokens: number;
    cachedInputTokens: number;
    costUsd: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface WaitsReport {
  groupBy: "kind";
  interval: "none" | "hour" | "day" | "week" | "month";
  items: Array<{
    /** Of its interval, where one is asked for. */
    start?: string;
    /** `session` to be ready, `turn` or `command` to begin, `permission` to be answered, `approval` of a proposal to be given or refused. */
    key: string;
    /** That began in the time asked about, and are over. */
    waits: number;
    medianSeconds: number;
    p95Seconds: number;
    maxSeconds: number;
  }>;
  from: string | null;
  to: string | null;
  /** There are more rows than an answer may have. */
  truncated: boolean;
}

export interface Webhook {
  id: string;
  url: string;
  types: string[];
  /** null: of all projects. */
  projectId: string | null;
  description: string;
  enabled: boolean;
  /** Why it was disabled, where nobody did it. */
  disabledReason: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface WebhookDelivery {
  /** The `webhook-id` of every attempt to deliver this event. */
  eventId: string;
  sessionId: string;
  type: string;
  attempt: number;
  replay: boolean;
  time: string;
  durationMs: number;
  outcome: "delivered" | "failed" | "not_kept";
  /** Of the answer; null: there was none. */
  status: number | null;
  detail: string;
  /** No other attempt follows. */
  last: boolean;
}
