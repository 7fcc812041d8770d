// A session without Temporal: its pure decisions, driven by any order of messages, faults and answers to what it began, and by time.
//
// A host that is lost leaves its answers behind: they may still come, and are then checked to change nothing. So is whatever is told
// twice.

import type { CheckpointResult } from '@worktrail/contract/sandbox-activities';
import type { CommandResult, CommandSpec } from '@worktrail/contract/commands';
import type { SessionFork } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import * as checkpoints from '../src/session/checkpoints.ts';
import * as fileChanges from '../src/session/file-changes.ts';
import { acceptCommand, cancelCommand, refusal, settle } from '../src/session/commands.ts';
import * as forking from '../src/session/forks.ts';
import * as hibernation from '../src/session/hibernation.ts';
import * as hostLoss from '../src/session/host-loss.ts';
import * as life from '../src/session/life.ts';
import { nextStep, type Step, type Underway } from '../src/session/next-step.ts';
import { isOver } from '../src/session/phases.ts';
import { nextRecord, recorded, type RecordSessionInput } from '../src/session/record.ts';
import * as reverts from '../src/session/reverts.ts';
import { newSessionState, type PendingEvent, type SessionState } from '../src/session/state.ts';
import { sampleCommand, withSetup } from './samples.ts';

export const noon = '2026-01-01T12:00:00.000Z';

type How = 'well' | 'badly' | 'not at all';

/** One thing that happens next; `pick` chooses among what it can happen to. */
export type Happening =
  | { kind: 'run'; background: boolean; trial: boolean }
  | { kind: 'repeat'; pick: number }
  | { kind: 'cancel'; pick: number }
  | { kind: 'stopped'; generation: number }
  | { kind: 'hostLost'; runner: 'its own' | 'another'; earlier: number }
  | { kind: 'hibernate' }
  | { kind: 'wish' }
  | { kind: 'resume' }
  | { kind: 'checkpoint' }
  | { kind: 'revert'; force: boolean }
  | { kind: 'changeFile' }
  | { kind: 'readFiles' }
  | { kind: 'fork' }
  | { kind: 'forkRecorded'; pick: number }
  | { kind: 'archive' }
  | { kind: 'patch' }
  | { kind: 'continueAsNew' }
  | { kind: 'time'; ms: number }
  | { kind: 'zombie'; pick: number; how: How }
  | { kind: 'answer'; pick: number; how: How };

type SandboxStep = Extract<Step['do'], 'place' | 'open' | 'hibernate' | 'remove'>;

type Begun =
  | { what: 'command'; commandId: string; generation: number }
  | { what: 'sandbox'; step: SandboxStep; generation: number }
  | { what: 'checkpoint'; id: string; generation: number; compact: boolean }
  | { what: 'revert'; id: string; generation: number }
  | { what: 'fileChange'; id: string; generation: number }
  | { what: 'endingLost'; commandIds: string[] }
  | { what: 'recording'; batch: RecordSessionInput }
  | { what: 'reporting' };

export interface Simulation {
  state: SessionState;
  nowMs: number;
  alarmAtMs: number | null;
  begun: Begun[];
  /** Begun on a host that was lost since. */
  zombies: Begun[];
  placements: number;
  /** Hibernations, by number, whose checkpoint is stored. */
  checkpointed: number[];
  /** In the order in which they were begun. */
  reverts: string[];
  /** In the order in which they were asked for. */
  fileChanges: string[];
  /** In the order in which they were accepted. */
  accepted: string[];
  started: string[];
  /** Ends as the history has them: of runners, and of the session itself. The first of a command stands. */
  ends: string[];
  events: PendingEvent[];
  /** How often something may have changed the files where they are now, and how many of these the newest checkpoint has. */
  changes: number;
  changesStored: number;
  /** By the id of a checkpoint: `changes` when it was planned. */
  changesPlanned: Map<string, number>;
  /** The session's state in the read model. */
  shown: string;
  complete: boolean;
}

export function newSimulation(setup: string[], hibernateAfterSeconds = 0, fork?: SessionFork): Simulation {
  const spec = { ...withSetup(setup), trialId: 'trl_x', hibernateAfterSeconds };
  const state = newSessionState(fork ? { ...spec, fork } : spec);
  life.created(state, noon);
  const simulation: Simulation = {
    state,
    nowMs: Date.parse(noon),
    alarmAtMs: null,
    begun: [],
    zombies: [],
    placements: 0,
    checkpointed: [],
    reverts: [],
    fileChanges: [],
    accepted: [],
    started: [],
    ends: [],
    events: [],
    changes: 0,
    changesStored: 0,
    changesPlanned: new Map(),
    shown: '',
    complete: false,
  };
  act(simulation);
  return simulation;
}

export function happen(simulation: Simulation, happening: Happening): void {
  if (simulation.complete) return;
  apply(simulation, happening);
  act(simulation);
}

/** All answers come, well, and time passes, until nothing is left to answer or to wait for. */
export function comeToRest(simulation: Simulation): void {
  for (let turns = 0; !simulation.complete; turns++) {
    if (turns > 5_000) throw new Error('the session does not come to rest');
    if (simulation.begun.length > 0) happen(simulation, { kind: 'answer', pick: 0, how: 'well' });
    else if (simulation.alarmAtMs !== null)
      happen(simulation, { kind: 'time', ms: simulation.alarmAtMs - simulation.nowMs });
    else return;
  }
}

function now({ nowMs }: Simulation): string {
  return new Date(nowMs).toISOString();
}

function apply(simulation: Simulation, happening: Happening): void {
  const { state } = simulation;
  const time = now(simulation);
  switch (happening.kind) {
    case 'run':
      return run(simulation, sampleCommand('x', { background: happening.background }), happening.trial);
    case 'repeat': {
      const id = simulation.accepted[happening.pick % Math.max(1, simulation.accepted.length)];
      if (id) run(simulation, sampleCommand('x', { id }), false);
      return;
    }
    case 'cancel': {
      const command = state.commands[happening.pick % Math.max(1, state.commands.length)];
      if (command) cancelCommand(state, command.spec.id, 'asked', time);
      return;
    }
    case 'stopped':
      return twice(state, () => life.sandboxStopped(state, happening.generation, 'cluster_stopped', time));
    case 'hostLost':
      return loseHost(simulation, happening.runner, happening.earlier);
    case 'hibernate':
      return hibernation.hibernationBegun(state, 'requested', time);
    case 'wish':
      return hibernation.hibernationWished(state, 'runner_draining');
    case 'resume':
      if (state.phase === 'hibernated' && !isOver(state)) life.resumed(state, 'requested', time);
      else if (state.phase === 'hibernating') state.hibernation.resumeWanted = true;
      return;
    case 'readFiles':
      return checkpoints.filesWanted(state, time);
    case 'checkpoint':
      if (!isOver(state)) checkpoints.checkpointAsked(state, { checkpointId: newId('checkpoint'), label: 'x' });
      return;
    case 'revert':
      return revert(simulation, happening.force);
    case 'changeFile': {
      if (isOver(state)) return;
      const request = fileChange();
      if (fileChanges.fileChangeAsked(state, request, time)) simulation.fileChanges.push(request.changeId);
      return unchanged(state, () => fileChanges.fileChangeAsked(state, request, time));
    }
    case 'fork':
      return fork(simulation);
    case 'forkRecorded': {
      const forks = state.loans.flatMap((loan) => loan.forks);
      const id = forks[happening.pick % Math.max(1, forks.length)];
      if (id) twice(state, () => forking.repaid(state, id));
      return;
    }
    case 'archive':
      if (state.commands.length === 0 && !state.archiveRequested) life.archiveRequested(state);
      return;
    case 'patch':
      return life.patched(state, { title: 'Another' });
    case 'continueAsNew':
      simulation.state = JSON.parse(JSON.stringify(state)) as SessionState;
      simulation.begun = [];
      simulation.alarmAtMs = null;
      return;
    case 'time':
      simulation.nowMs += happening.ms;
      if (simulation.alarmAtMs !== null && simulation.alarmAtMs <= simulation.nowMs) simulation.alarmAtMs = null;
      return;
    case 'zombie': {
      const [zombie] = simulation.zombies.splice(happening.pick % Math.max(1, simulation.zombies.length), 1);
      if (!zombie) return;
      const { changes } = simulation;
      const answer = () => {
        answerBegun(simulation, zombie, happening.pick, happening.how);
        simulation.changes = changes;
      };
      // Of a session that stays with its host, the host has removed what it was to remove.
      const isTrue = zombie.what === 'sandbox' && zombie.step === 'remove' && zombie.generation === state.generation;
      return isTrue ? answer() : unchanged(state, answer);
    }
    case 'answer': {
      const [begun] = simulation.begun.splice(happening.pick % Math.max(1, simulation.begun.length), 1);
      if (begun) answerBegun(simulation, begun, happening.pick, happening.how);
    }
  }
}

function run(simulation: Simulation, spec: CommandSpec, trial: boolean): void {
  const known = simulation.accepted.includes(spec.id);
  if (refusal(simulation.state, spec)) return;
  acceptCommand(simulation.state, spec, trial ? 'trial:trl_x' : null, now(simulation));
  if (!known) simulation.accepted.push(spec.id);
}

function revert(simulation: Simulation, force: boolean): void {
  const { state } = simulation;
  const time = now(simulation);
  if (!state.checkpoint || !reverts.mayBeginRevert(state, force)) return;
  const users = state.commands.filter(({ spec }) => spec.origin !== 'setup');
  for (const { spec } of users) cancelCommand(state, spec.id, 'reverted', time);
  const actor = { kind: 'user' as const, id: 'prn_someone' };
  const request = { checkpointId: newId('checkpoint'), to: state.checkpoint, force, actor };
  reverts.revertBegun(state, request, time);
  simulation.reverts.push(request.checkpointId);
}

function fileChange() {
  const actor = { kind: 'user' as const, id: 'prn_someone' };
  const changeId = newId('event');
  return { changeId, path: 'a', content: null, executable: null, expected: null, actor };
}

function fork(simulation: Simulation): void {
  const { state } = simulation;
  const request = { forks: [newId('session')], checkpoint: null, by: state.spec.createdBy };
  if (forking.forkRefusal(state, request)) return;
  const point = forking.lend(state, request, now(simulation));
  if (point) unchanged(state, () => forking.lend(state, request, now(simulation)));
}

function loseHost(simulation: Simulation, runner: 'its own' | 'another', earlier: number): void {
  const { state } = simulation;
  const runnerId = runner === 'another' ? 'r0' : (state.placement?.runnerId ?? 'r0');
  const lost = { runnerId, generation: state.generation - earlier };
  if (!hostLoss.concernsLostHost(state, lost)) return unchanged(state, () => hostLoss.hostLost(state, lost, noon));
  const onHost = ({ what }: Begun) => ['command', 'checkpoint', 'revert', 'fileChange', 'sandbox'].includes(what);
  const left = simulation.begun.filter(onHost);
  simulation.zombies.push(...left);
  simulation.begun = simulation.begun.filter((begun) => !onHost(begun));
  simulation.changes += left.filter(({ what }) => what === 'command').length;
  hostLoss.hostLost(state, lost, now(simulation));
  if (state.phase !== 'hibernated') unchanged(state, () => hostLoss.hostLost(state, lost, now(simulation)));
}

function answerBegun(simulation: Simulation, begun: Begun, pick: number, how: How): void {
  const { state } = simulation;
  const time = now(simulation);
  switch (begun.what) {
    case 'reporting':
      state.reports.shift();
      return;
    case 'recording':
      simulation.events.push(...begun.batch.events);
      for (const { draft } of begun.batch.events) {
        if (draft.payload.case === 'commandEnded') simulation.ends.push(draft.commandId ?? '');
      }
      simulation.shown = begun.batch.document.state;
      return recorded(state, begun.batch, time);
    case 'endingLost': {
      const ends = begun.commandIds.map((commandId) => ({
        commandId,
        result: endInHistory(simulation, commandId, hostLost),
      }));
      return twice(state, () => hostLoss.lostCommandsEnded(state, ends, time));
    }
    case 'checkpoint':
      if (
        how === 'well' &&
        state.checkpointing.plan?.purpose === 'hibernation' &&
        state.checkpointing.plan.id === begun.id
      ) {
        simulation.checkpointed.push(state.hibernation.number);
      }
      answerCheckpoint(state, begun, how, { gone: pick % 2 === 1, time });
      if (state.checkpoint?.id === begun.id) {
        simulation.changesStored = Math.max(simulation.changesStored, simulation.changesPlanned.get(begun.id)!);
      }
      return;
    case 'revert':
      return answerRevert(state, begun, how, { gone: pick % 2 === 1, time });
    case 'fileChange':
      // What is said of an older sandbox is void, and the change is made again.
      if (how === 'well' && begun.generation === state.generation) simulation.changes += 1;
      return answerFileChange(state, begun, how, { gone: pick % 2 === 1, time });
    case 'sandbox':
      return answerSandbox(simulation, begun, pick, how);
    case 'command':
      return answerCommand(simulation, begun, how);
  }
}

function answerCommand(simulation: Simulation, begun: Extract<Begun, { what: 'command' }>, how: How): void {
  const { state } = simulation;
  const { commandId, generation } = begun;
  if (how === 'not at all') return;
  if (how === 'badly' && !simulation.started.includes(commandId)) {
    const from = { generation, sandboxGone: true };
    return twice(state, () => life.commandNotStarted(state, commandId, from, now(simulation)));
  }
  simulation.started.push(commandId);
  simulation.changes += 1;
  const result = endInHistory(simulation, commandId, exited(how === 'well' ? 0 : 1));
  twice(state, () => life.commandAnswered(state, commandId, result, now(simulation)));
}

/** Nobody writes after an end: the first one stands. */
function endInHistory(simulation: Simulation, commandId: string, result: CommandResult): CommandResult {
  if (!simulation.ends.includes(commandId)) simulation.ends.push(commandId);
  return result;
}

function answerCheckpoint(
  state: SessionState,
  { id, generation, compact }: Extract<Begun, { what: 'checkpoint' }>,
  how: How,
  { gone, time }: { gone: boolean; time: string },
): void {
  if (how === 'not at all') return;
  if (how === 'badly') {
    const from = { generation, sandboxGone: gone, detail: 'it went wrong' };
    return twice(state, () => life.checkpointNotMade(state, id, from, time));
  }
  const result = checkpointOf(state, id, gone);
  twice(state, () => checkpoints.checkpointMade(state, id, result, compact, time));
}

function answerRevert(
  state: SessionState,
  { id, generation }: Extract<Begun, { what: 'revert' }>,
  how: How,
  { gone, time }: { gone: boolean; time: string },
): void {
  if (how === 'not at all') return;
  if (how === 'badly') {
    const from = { generation, sandboxGone: gone, detail: 'it went wrong' };
    return twice(state, () => life.filesNotReverted(state, id, from, time));
  }
  const made = { notTouched: [], notRestored: [], removed: [] };
  twice(state, () => reverts.filesReverted(state, id, generation, made));
}

function answerFileChange(
  state: SessionState,
  { id, generation }: Extract<Begun, { what: 'fileChange' }>,
  how: How,
  { gone, time }: { gone: boolean; time: string },
): void {
  if (how === 'not at all') return;
  if (how === 'badly') {
    const refusal = { code: 'precondition_failed' as const, detail: 'it went wrong' };
    return twice(state, () => life.fileNotChanged(state, id, { generation, sandboxGone: gone, ...refusal }, time));
  }
  const file = { oldBlob: '', newBlob: 'a', additions: 1, deletions: 0, binary: false };
  twice(state, () => fileChanges.fileChanged(state, id, generation, { status: 'added', ...file }, time));
}

function checkpointOf(state: SessionState, id: string, leftBranch: boolean): CheckpointResult {
  const headRef = leftBranch ? 'refs/heads/other' : `refs/heads/${state.spec.branch}`;
  const number = (state.checkpoint?.number ?? 0) + 1;
  const checkpoint = { id, number, commit: id, tree: id, filesChanged: 1, headCommit: id, headRef, notKept: [] };
  return { changed: true, checkpoint, bundle: { name: id, sha256: '', bytes: 1 } };
}

function answerSandbox(
  simulation: Simulation,
  begun: Extract<Begun, { what: 'sandbox' }>,
  pick: number,
  how: How,
): void {
  const { state } = simulation;
  const { step, generation } = begun;
  const time = now(simulation);
  switch (step) {
    case 'remove':
      if (how === 'badly' && generation === state.generation) life.sandboxLeftBehind(state);
      else if (how === 'well') life.sandboxRemoved(state, generation);
      return;
    case 'hibernate': {
      if (how === 'not at all') return;
      const artifact = { name: `archive.${generation}`, sha256: '', bytes: 1 };
      const archive = how === 'well' ? { kind: 'whole' as const, artifact, notKept: [] } : null;
      return twice(state, () => hibernation.hibernated(state, generation, { archive }, time));
    }
    case 'place':
      if (how === 'badly') return life.preparationFailed(state, generation, 'internal', 'it went wrong', time);
      if (how === 'not at all') return;
      simulation.placements += 1;
      return twice(state, () => life.placed(state, { runnerId: `r${simulation.placements}`, hostQueue: 'q' }, time));
    case 'open': {
      if (generation === state.generation && how !== 'well') {
        if (how === 'not at all') return life.hostIsFull(state, time);
        if (hibernation.isMovable(state) && pick % 2 === 1) return life.placementGivenUp(state, time);
        return life.preparationFailed(state, generation, 'internal', 'it went wrong', time);
      }
      const from = openedFrom(state);
      const { phase, filesGeneration } = state;
      const eventsBefore = state.events.length;
      const sandbox = { from, baseCommit: 'a', headCommit: 'b', notKept: from === 'checkpoint' ? ['processes'] : [] };
      twice(state, () => life.opened(state, generation, sandbox, time));
      const isMoved = generation === state.generation && from !== 'volume' && filesGeneration > 0;
      if (isMoved && phase === 'resuming') noteMove(simulation, from, state.events.slice(eventsBefore));
      return;
    }
  }
}

/** The files are as they were stored, elsewhere: what is lost of them stands in the history. */
function noteMove(simulation: Simulation, from: 'archive' | 'checkpoint' | 'new', events: PendingEvent[]): void {
  const { changes, changesStored } = simulation;
  const told = events
    .flatMap(({ draft: { payload } }) => (payload.case === 'sessionRestored' ? payload.value.notKept : []))
    .join();
  if (from !== 'archive' && changes > changesStored && !/changes after|everything/.test(told)) {
    throw new Error(`changes were lost, and only this is told: "${told}"`);
  }
  simulation.changes = 0;
  simulation.changesStored = 0;
}

function openedFrom({ filesGeneration, placedGeneration, archive, checkpoint }: SessionState) {
  if (filesGeneration >= placedGeneration) return 'volume' as const;
  if (archive) return 'archive' as const;
  return checkpoint ? ('checkpoint' as const) : ('new' as const);
}

const hostLost: CommandResult = { ...exited(0), outcome: 'host_lost', exitCode: null };

function exited(exitCode: number): CommandResult {
  return { outcome: 'exited', reason: null, exitCode, signal: null, stdoutBytes: 0, stderrBytes: 0 };
}

/** What is told a second time changes nothing. */
function twice(state: SessionState, tell: () => void): void {
  tell();
  unchanged(state, tell);
}

function unchanged(state: SessionState, tell: () => void): void {
  const before = JSON.parse(JSON.stringify(state)) as SessionState;
  tell();
  for (const [name, value] of Object.entries(state)) {
    const [then, is] = [JSON.stringify(before[name as keyof SessionState]), JSON.stringify(value)];
    if (then !== is) throw new Error(`while ${state.phase}, ${name} changed from ${then} to ${is}`);
  }
}

/** Takes every step that is due, as the workflow's loop does. */
function act(simulation: Simulation): void {
  for (let steps = 0; ; steps++) {
    if (steps > 1_000) throw new Error('the session does not stop taking steps');
    const step = nextStep(simulation.state, underway(simulation), simulation.nowMs);
    if (!step || simulation.complete) return;
    take(simulation, step);
  }
}

function take(simulation: Simulation, step: Step): void {
  const { state, begun } = simulation;
  const { generation } = state;
  const time = now(simulation);
  switch (step.do) {
    case 'follow': {
      const command = state.commands.find(({ spec }) => spec.id === step.commandId)!;
      command.state = 'running';
      command.startedAt ??= time;
      return void begun.push({ what: 'command', commandId: step.commandId, generation });
    }
    case 'endLost': {
      const commandIds = state.commands.filter(({ state: is }) => is === 'lost').map(({ spec }) => spec.id);
      return void begun.push({ what: 'endingLost', commandIds });
    }
    case 'place':
    case 'open':
    case 'hibernate':
    case 'remove':
      if (step.do === 'hibernate' && !simulation.checkpointed.includes(state.hibernation.number)) {
        throw new Error('it is stopped although its checkpoint is not stored');
      }
      return void begun.push({ what: 'sandbox', step: step.do, generation });
    case 'setup': {
      const spec = sampleCommand(step.command, { origin: 'setup' });
      simulation.accepted.push(spec.id);
      return void acceptCommand(state, spec, null, time);
    }
    case 'becomeReady':
      return life.becameReady(state, time);
    case 'beginHibernation':
      return hibernation.hibernationBegun(state, step.reason, time);
    case 'resume':
      return life.resumed(state, step.reason, time);
    case 'archive':
      return life.archived(state, time);
    case 'planCheckpoint':
      checkpoints.checkpointPlanned(state, step.purpose, newId('checkpoint'), time);
      simulation.changesPlanned.set(state.checkpointing.plan!.id, simulation.changes);
      return;
    case 'checkpoint': {
      const { compact } = checkpoints.checkpointInput(state, state.checkpointing.plan!);
      return void begun.push({ what: 'checkpoint', id: step.id, generation, compact });
    }
    case 'failCheckpoint':
      return checkpoints.checkpointFailed(state, step.id, 'the sandbox is not open', time, true);
    case 'revert':
      if (state.uncheckpointedSince !== null) throw new Error('files are reverted that are not stored');
      return void begun.push({ what: 'revert', id: state.reverting.plan!.request.checkpointId, generation });
    case 'record':
      return void begun.push({ what: 'recording', batch: nextRecord(state) });
    case 'report':
      return void begun.push({ what: 'reporting' });
    case 'changeFile': {
      const next = fileChanges.nextFileChange(state)!;
      next.begun = true;
      return void begun.push({ what: 'fileChange', id: next.request.changeId, generation });
    }
    case 'noticeUnsettled':
      state.unsettledSince = time;
      return;
    case 'forgetUnsettled':
      state.unsettledSince = null;
      return;
    case 'settle':
      return settle(state, time);
    case 'setAlarm':
      if (step.atMs <= simulation.nowMs) throw new Error('an alarm is set for what is due already');
      simulation.alarmAtMs = step.atMs;
      return;
    case 'complete':
      simulation.complete = true;
  }
}

function underway({ begun, alarmAtMs }: Simulation): Underway {
  const has = (what: Begun['what']) => begun.some((one) => one.what === what);
  return {
    following: begun.flatMap((one) => (one.what === 'command' ? [one.commandId] : [])),
    sandbox: has('sandbox'),
    checkpoint: has('checkpoint'),
    reverting: has('revert'),
    model: false,
    agent: false,
    tool: false,
    changing: has('fileChange'),
    updating: false,
    endingLeft: false,
    endingLost: has('endingLost'),
    recording: has('recording'),
    reporting: has('reporting'),
    alarmAtMs,
  };
}
