// What a session workflow knows: one plain JSON value, the whole of what it carries over continue-as-new.
//
// 1. `JSON.parse(JSON.stringify(state))` is the same state: no Map, Set, Date, class or undefined.
// 2. Every list in it has a bound: live commands by refusal, ended commands by forgetting the oldest, pending events by the live
//    commands they belong to (a command is live until its end is recorded).
// 3. The functions beside this file (`commands`, `life`, `record`) are its only writers. They read no clock and do no I/O; the
//    time is an argument. They change the state they are given, which belongs to one workflow.

import type { CommandResult, CommandSpec } from '@worktrail/contract/commands';
import type { SessionDocument, SessionState as DocumentState } from '@worktrail/contract/documents';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { OpenedSandbox, Placement } from '@worktrail/contract/sandbox-activities';
import type { CommandAccepted, SessionSpec } from '@worktrail/contract/session-messages';

/** The states of API.md, without `busy`: a ready session is busy while it has live commands. */
export type SessionPhase = Exclude<DocumentState, 'busy' | 'hibernating'>;

export interface LiveCommandState {
  spec: CommandSpec;
  /** `ending`: it never started, and its end is about to be recorded by the session itself. */
  state: 'queued' | 'running' | 'ending';
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

/** What a trial is still to be told. */
export type TrialReport =
  | { about: 'session'; to: string; state: 'ready' | 'failed' | 'archived' }
  | { about: 'command'; to: string; commandId: string; result: CommandResult };

export interface SessionState {
  spec: SessionSpec;
  title: string;
  labels: Record<string, string>;
  phase: SessionPhase;
  placement: Placement | null;
  /** Grows each time the sandbox is to be opened; what a runner says of an older one is void. */
  generation: number;
  sandboxOpen: boolean;
  openedFrom: OpenedSandbox['from'] | null;
  sandboxRemoved: boolean;
  /** `done`: how many setup commands have exited 0. `retries`: how often one was lost with its sandbox. */
  setup: { done: number; retries: number };
  baseCommit: string | null;
  headCommit: string | null;
  failure: { code: string; detail: string } | null;
  archiveRequested: boolean;
  /** `session.busy` is recorded and no `session.ready` after it. */
  busyRecorded: boolean;
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
  return {
    spec,
    title: spec.title,
    labels: spec.labels,
    phase: 'creating',
    placement: null,
    generation: 0,
    sandboxOpen: false,
    openedFrom: null,
    sandboxRemoved: false,
    setup: { done: 0, retries: 0 },
    baseCommit: null,
    headCommit: null,
    failure: null,
    archiveRequested: false,
    busyRecorded: false,
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
  return state.phase === 'ready' && state.commands.length > 0 ? 'busy' : state.phase;
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
    branch: spec.branch,
    baseCommit: state.baseCommit,
    headCommit: state.headCommit,
    runnerId: state.placement?.runnerId ?? null,
    generation: state.generation,
    failure: state.failure,
    createdAt: spec.createdAt,
    lastActiveAt: state.lastActiveAt,
  };
}
