// What a session workflow knows: one plain JSON value, the whole of what it carries over continue-as-new.
//
// 1. `JSON.parse(JSON.stringify(state))` is the same state: no Map, Set, Date, class or undefined.
// 2. Every list in it has a bound: live commands by refusal, ended commands by forgetting the oldest, pending events by the live
//    commands they belong to (a command is live until its end is recorded), bundles by putting them together, loans by refusal.
// 3. The functions beside this file (`commands`, `life`, `checkpoints`, `forks`, `hibernation`, `reverts`, `file-changes`, `host-loss`,
//    `models-called`, `record`) are its only writers.
//    They read no clock and do no I/O; the time is an argument. They change the state they are given, which belongs to one workflow.

import { type AgentLimits, agentLimitsNone, type AgentUsage } from '@worktrail/contract/agents';
import type { ChangesFromBase, CheckpointRef, SessionArchive, StoredBundle } from '@worktrail/contract/checkpoints';
import type { CommandResult, CommandSpec } from '@worktrail/contract/commands';
import type {
  BranchPosition,
  CheckpointDocument,
  SessionDocument,
  SessionState as DocumentState,
} from '@worktrail/contract/documents';
import type { ErrorCode } from '@worktrail/contract/errors';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { ForkPoint } from '@worktrail/contract/forks';
import type { OpenedSandbox, Placement } from '@worktrail/contract/sandbox-activities';
import type { CommandToTell, ToolUse } from '../agent/model-step-messages.ts';
import type { AgentConversation, PermissionAsked } from '@worktrail/contract/agent-turns';
import type { ToolKind } from '@worktrail/contract/agents';
import type { PermissionAnswer, PermissionDecision, PermissionRequest } from '@worktrail/contract/permissions';
import type { TokenUsage, TurnOutcome, TurnSpec, TurnUsage } from '@worktrail/contract/turns';
import type { TurnReported } from '@worktrail/contract/trial-messages';
import type {
  ChangedFile,
  ChangeFileRequest,
  CommandAccepted,
  CreateCheckpointRequest,
  RevertDocument,
  RevertedFiles,
  RevertSessionRequest,
  SessionSpec,
  TurnListener,
  UpdatedFiles,
} from '@worktrail/contract/session-messages';

/** The states of API.md, without `busy`: a ready session is busy while it has live commands or turns. */
export type SessionPhase = Exclude<DocumentState, 'busy'>;

export interface LiveCommandState {
  spec: CommandSpec;
  /**
   * `ending`: it never started, and its end is about to be recorded by the session itself. `lost`: its host is, and how it ended is
   * being looked up or written down.
   */
  state: 'queued' | 'running' | 'ending' | 'lost';
  /** When a runner was first asked for it. */
  startedAt: string | null;
  /** How `command.queued` is recorded: not (then the runner does), in `events`, or in the stream. */
  queuedEvent: 'none' | 'pending' | 'recorded';
  accepted: CommandAccepted['state'];
  /** Why it is to be stopped; null while it is not. */
  cancelReason: string | null;
  /** The trial workflow that is told of its end. */
  reportTo: string | null;
  /** Set while `ending`. */
  result: CommandResult | null;
}

/** What is remembered of a command that has ended, so that a repeated request is answered as the first was. */
export interface EndedCommand {
  id: string;
  accepted: CommandAccepted['state'];
  result: CommandResult;
}

/** An event that is not recorded yet, and who issues it: the session, or one of its commands. */
export interface PendingEvent {
  producer: string;
  draft: EventDraft;
}

/** What another workflow is still to be told: a trial, or the session that this one was forked from. */
export type TrialReport =
  | { about: 'session'; to: string; state: 'ready' | 'failed' | 'archived' }
  | { about: 'command'; to: string; commandId: string; result: CommandResult }
  | { about: 'turn'; to: string; turn: Omit<TurnReported, 'sessionId'> }
  | { about: 'fork'; to: string };

/** A checkpoint that is being made, by whichever run of the workflow. */
export interface CheckpointPlan {
  id: string;
  number: number;
  label: string;
  /** The command that ended last. */
  commandId: string;
  purpose: 'automatic' | 'asked' | 'hibernation' | 'archive' | 'beforeRevert' | 'revert';
  /** What `uncheckpointedSince` was before it. */
  since: string | null;
}

/** What became of a checkpoint that somebody asked for. */
export interface AskedCheckpoint {
  id: string;
  document: CheckpointDocument | null;
  failure: string | null;
}

interface CheckpointingState {
  plan: CheckpointPlan | null;
  /** Oldest first. `again`: one of that id has failed before, and its runner may have kept what it recorded then. */
  asked: (CreateCheckpointRequest & { again?: true })[];
  /** Newest last. */
  answered: AskedCheckpoint[];
  /** Of automatic ones, in a row. */
  failures: number;
  /** No automatic one before this, because one has failed. */
  notBefore: string | null;
  /** When the newest one was begun. */
  lastAt: string | null;
  /** Somebody reads the files: the next automatic one is due now. */
  wantedAt: string | null;
}

/** A revert that is under way, by whichever run of the workflow. */
export interface RevertPlan {
  request: RevertSessionRequest;
  /**
   * `keeping`: what is there is checkpointed, once nothing runs. `files`: they are made as they were. `storing`: that is checkpointed.
   */
  stage: 'keeping' | 'files' | 'storing';
  /** Of the checkpoint that it becomes; null: the one that was meant was given up, another is. */
  checkpointId: string | null;
  /** Set while `storing`. */
  made: RevertedFiles | null;
  /** To store it, in a row. */
  failures: number;
}

/** What became of a revert. */
export interface AnsweredRevert {
  id: string;
  document: RevertDocument | null;
  failure: string | null;
}

interface RevertingState {
  plan: RevertPlan | null;
  /** Newest last. */
  answered: AnsweredRevert[];
}

export interface PendingFileChange {
  request: ChangeFileRequest;
  /** A runner was asked for it, and may have done it. */
  begun: boolean;
}

export interface AnsweredFileChange {
  id: string;
  file: ChangedFile | null;
  refusal: { code: ErrorCode; detail: string } | null;
}

interface ChangingState {
  /** Oldest first. */
  asked: PendingFileChange[];
  /** Newest last. */
  answered: AnsweredFileChange[];
}

/** What forks, or a proposal, begin with, for as long as one of them may not have named it itself. */
export interface Loan {
  /** Who has borrowed it: ids of forks, or that of a proposal's request. */
  forks: string[];
  point: Omit<ForkPoint, 'repository' | 'env'>;
  until: string;
}

/** A use of a tool that a step of the current turn asks for. */
export interface ToolUseState {
  use: ToolUse;
  /**
   * `asked`: somebody is to permit it. `concluding`: what the model is told of it is to be written down. `telling`: that is under way, for a
   * use of files with the use itself.
   */
  state: 'waiting' | 'asked' | 'running' | 'concluding' | 'telling' | 'ended';
  /** Of the command that it is, once that was accepted. */
  commandId: string | null;
}

export interface LiveTurn {
  spec: TurnSpec;
  stage: 'queued' | 'model' | 'tools';
  startedAt: string | null;
  /** Counts from 1; 0 before the first. Of an agent in the sandbox: uses of tools. */
  step: number;
  /** Of an agent in the sandbox: the generation in which it may have been given the message; null as well once its host has ended it. */
  agentGeneration: number | null;
  /** What such an agent waits for, until it was told. */
  agentAsked: PermissionAsked[];
  /** Of all steps so far, and of models that something in the sandbox called meanwhile. */
  usage: TokenUsage;
  /** The latter: it is in the session's as well. */
  called?: TokenUsage;
  /** Of the newest step. */
  tools: ToolUseState[];
  /** The last use of the step before, where that was a command: the newest step writes down what the model is told of it. */
  toTell: CommandToTell | null;
  /** So often somebody was asked for a permission. */
  permissionsAsked: number;
  /** Why it is to be stopped; null while it is not. */
  cancelReason: string | null;
  canceledAt: string | null;
  /** The limit that it is to be stopped for. */
  limit?: string;
  /** The trial that wanted it. */
  reportTo: TurnListener | null;
}

/** An agent in the sandbox whose turn has ended without a word from its host: what it had begun may have no end in the history. */
export interface LeftAgent {
  turnId: string;
  /** For the history: who acts. */
  agent: string;
  /** What the ends say. */
  error: string;
}

/** `decision`: null of one whose turn ended before. */
export type SettledPermission = Pick<PermissionRequest, 'permissionId' | 'toolCallId'> &
  (Pick<PermissionAnswer, 'decision' | 'remember'> | { decision: null });

interface PermissionsState {
  /** Of the current turn, oldest first. */
  pending: PermissionRequest[];
  /** Newest last. */
  settled: SettledPermission[];
  /** Answers that stand for the rest of the session. */
  remembered: Partial<Record<ToolKind, PermissionDecision>>;
}

interface TurnsState {
  /** In the order in which the messages came: the first is the current one. */
  live: LiveTurn[];
  /** Newest last. */
  ended: { id: string; outcome: TurnOutcome; reason: string; usage: TurnUsage }[];
  /** Of all turns together. */
  limits: AgentLimits;
  /** What those took that have ended, and models that something in the sandbox has called. */
  usage: AgentUsage;
  /** What was counted of the latter, by each runner that the session was on. Newest last. */
  meters: { id: string; used: TokenUsage }[];
  /** Of the agent in the sandbox that was spoken to last. */
  conversation: AgentConversation | null;
}

interface HibernationState {
  /** Hibernate as soon as it is idle, for this reason. */
  wish: string | null;
  /** Why it is hibernating. */
  reason: string | null;
  /** The checkpoint is stored: what is left is to stop. */
  checkpointed: boolean;
  /** Counts the times it was begun. */
  number: number;
  /** The newest that came to nothing. */
  failure: { number: number; detail: string } | null;
  /** Not again by itself before this, because one has failed. */
  notBefore: string | null;
  /** Somebody wants it back. */
  resumeWanted: boolean;
}

export interface SessionState {
  spec: SessionSpec;
  title: string;
  labels: Record<string, string>;
  phase: SessionPhase;
  placement: Placement | null;
  /** Grows each time the sandbox is to be opened; what a runner says of an older one is void. */
  generation: number;
  /** The generation with which it came to its host. */
  placedGeneration: number;
  /** Since when it waits for a place. */
  waitingForPlaceSince: string | null;
  /** The `waitingForPlaceSince` of the wait that the history tells of. */
  waitToldSince: string | null;
  sandboxOpen: boolean;
  openedFrom: OpenedSandbox['from'] | null;
  sandboxRemoved: boolean;
  /** `done`: how many setup commands have exited 0. `retries`: how often one was lost with its sandbox. */
  setup: { done: number; retries: number };
  baseCommit: string | null;
  headCommit: string | null;
  position: BranchPosition | null;
  /** The newest stored one. */
  checkpoint: CheckpointRef | null;
  /** Of that one, as far as they were counted. */
  changes: ChangesFromBase | null;
  /** They hold together all checkpoints. */
  bundles: StoredBundle[];
  loans: Loan[];
  /** Of the last hibernation; null once the sandbox was opened after it. */
  archive: SessionArchive | null;
  /** The generation that last had the files open; 0 before the first. */
  filesGeneration: number;
  /** Since when something has ended that no checkpoint has; null while nothing has. */
  uncheckpointedSince: string | null;
  lastEndedCommandId: string;
  /** The files have, or may have, changed after the checkpoint that they will be restored from. */
  changesLost: boolean;
  /** The work tree is not on the session's branch, and the history says so. */
  branchLeft: boolean;
  checkpointing: CheckpointingState;
  reverting: RevertingState;
  changing: ChangingState;
  turns: TurnsState;
  leftAgents: LeftAgent[];
  permissions: PermissionsState;
  hibernation: HibernationState;
  failure: { code: string; detail: string } | null;
  archiveRequested: boolean;
  /** The default branch is brought in: no command starts, and it is not put to sleep. Only while an update waits for it. */
  updating: { id: string } | null;
  /** What came of the last of these. */
  updated: { id: string; files: UpdatedFiles }[];
  /** `session.busy` is recorded and no `session.ready` after it. */
  busyRecorded: boolean;
  /** Since when something is so that the history shows if it lasts. */
  unsettledSince: string | null;
  readySince: string | null;
  /** Live commands in the order in which they were accepted. */
  commands: LiveCommandState[];
  /** Newest last. */
  ended: EndedCommand[];
  /** Events of the session itself so far. */
  eventNumber: number;
  events: PendingEvent[];
  reports: TrialReport[];
  lastActiveAt: string;
  /** Counts changes. `dueVersion`: the newest that has to reach the read model; `recordedVersion`: the newest that did. */
  version: number;
  dueVersion: number;
  recordedVersion: number;
}

export const endedCommandsMax = 500;

export function newSessionState(spec: SessionSpec): SessionState {
  const { fork } = spec;
  const restore = fork?.restore ?? spec.startFrom;
  return {
    spec,
    title: spec.title,
    labels: spec.labels,
    phase: fork ? 'hibernated' : 'creating',
    placement: null,
    generation: 0,
    placedGeneration: 0,
    waitingForPlaceSince: null,
    waitToldSince: null,
    sandboxOpen: false,
    openedFrom: null,
    sandboxRemoved: false,
    setup: { done: 0, retries: 0 },
    baseCommit: restore?.baseCommit ?? null,
    headCommit: fork?.headCommit ?? null,
    position: null,
    checkpoint: restore?.checkpoint ?? null,
    changes: null,
    bundles: restore?.bundles ?? [],
    loans: [],
    archive: null,
    filesGeneration: 0,
    uncheckpointedSince: null,
    lastEndedCommandId: '',
    changesLost: false,
    branchLeft: false,
    checkpointing: { plan: null, asked: [], answered: [], failures: 0, notBefore: null, lastAt: null, wantedAt: null },
    reverting: { plan: null, answered: [] },
    changing: { asked: [], answered: [] },
    turns: {
      live: [],
      ended: [],
      limits: spec.agentLimits ?? agentLimitsNone,
      usage: { steps: 0, tokens: 0, costUsd: 0, seconds: 0 },
      meters: [],
      conversation: null,
    },
    leftAgents: [],
    permissions: { pending: [], settled: [], remembered: {} },
    hibernation: {
      wish: null,
      reason: null,
      checkpointed: false,
      number: 0,
      failure: null,
      notBefore: null,
      resumeWanted: false,
    },
    failure: null,
    archiveRequested: false,
    updating: null,
    updated: [],
    busyRecorded: false,
    unsettledSince: null,
    readySince: null,
    commands: [],
    ended: [],
    eventNumber: 0,
    events: [],
    reports: [],
    lastActiveAt: spec.createdAt,
    version: 1,
    dueVersion: 1,
    recordedVersion: 0,
  };
}

/** The session's public state. */
export function documentState(state: SessionState): DocumentState {
  const isBusy = state.commands.length > 0 || state.turns.live.length > 0;
  return state.phase === 'ready' && isBusy ? 'busy' : state.phase;
}

export function sessionDocument(state: SessionState): SessionDocument {
  const { spec } = state;
  return {
    version: state.version,
    id: spec.sessionId,
    organizationId: spec.organizationId,
    projectId: spec.projectId,
    taskId: spec.taskId,
    trialId: spec.trialId,
    partition: spec.partition,
    title: state.title,
    labels: state.labels,
    state: documentState(state),
    repository: spec.repository,
    branch: spec.branch,
    baseCommit: state.baseCommit,
    headCommit: state.headCommit,
    position: state.position,
    runnerId: state.placement?.runnerId ?? null,
    generation: state.generation,
    filesGeneration: state.filesGeneration,
    waitingForPlaceSince: state.waitingForPlaceSince,
    checkpoint: state.checkpoint,
    changes: state.changes,
    artifacts: neededArtifacts(state),
    fork: spec.fork ? { sessionId: spec.fork.sessionId, checkpointId: spec.fork.restore.checkpoint.id } : null,
    inherited: spec.fork?.inherited ?? [],
    forkPoint: state.phase === 'archived' || state.phase === 'failed' ? newestForkPoint(state) : null,
    failure: state.failure,
    agentLimits: state.turns.limits,
    agentUsage: state.turns.usage,
    createdAt: spec.createdAt,
    lastActiveAt: state.lastActiveAt,
  };
}

/** An archived session has its checkpoints still, and nothing to go on from. */
function neededArtifacts({ phase, bundles, loans, changing, archive }: SessionState): string[] {
  const lent = loans.flatMap(({ point }) => point.bundles);
  const contents = changing.asked.flatMap(({ request }) => (request.content ? [request.content] : []));
  const names = new Set([...bundles, ...lent, ...contents].map(({ name }) => name));
  if (archive && phase !== 'archived') names.add(archive.artifact.name);
  return [...names];
}

/** null while nothing is stored of it. */
export function newestForkPoint(state: SessionState): ForkPoint | null {
  const { spec, baseCommit, headCommit, checkpoint, bundles } = state;
  if (baseCommit === null || checkpoint === null) return null;
  return { repository: spec.repository, env: spec.env, baseCommit, checkpoint, headCommit, bundles };
}
