// A session without Temporal: its pure decisions, driven by any order of messages and of answers to what it began.

import type { CommandResult, CommandSpec } from '@worktrail/contract/commands';
import { acceptCommand, cancelCommand, refusal, settle } from '../src/session/commands.ts';
import * as life from '../src/session/life.ts';
import { nextStep, type Step, type Underway } from '../src/session/next-step.ts';
import { nextRecord, recorded, type RecordSessionInput } from '../src/session/record.ts';
import { newSessionState, type PendingEvent, type SessionState } from '../src/session/state.ts';
import { sampleCommand, withSetup } from './samples.ts';

export const noon = '2026-01-01T12:00:00.000Z';

/** One thing that happens next; `pick` chooses among what it can happen to. */
export type Happening =
  | { kind: 'run'; background: boolean; trial: boolean }
  | { kind: 'repeat'; pick: number }
  | { kind: 'cancel'; pick: number }
  | { kind: 'stopped'; generation: number }
  | { kind: 'archive' }
  | { kind: 'patch' }
  | { kind: 'continueAsNew' }
  | { kind: 'answer'; pick: number; how: 'well' | 'badly' | 'not at all' };

type Begun =
  | { what: 'command'; commandId: string; generation: number }
  | { what: 'sandbox'; step: 'place' | 'open' | 'remove'; generation: number }
  | { what: 'recording'; batch: RecordSessionInput }
  | { what: 'reporting' }
  | { what: 'settling' };

export interface Simulation {
  state: SessionState;
  begun: Begun[];
  /** In the order in which they were accepted. */
  accepted: string[];
  started: string[];
  /** Ends as the history has them: of the runner, and of the session itself. */
  ends: string[];
  events: PendingEvent[];
  complete: boolean;
}

export function newSimulation(setup: string[]): Simulation {
  const state = newSessionState({ ...withSetup(setup), trialId: 'trl_x' });
  life.created(state, noon);
  const simulation: Simulation = { state, begun: [], accepted: [], started: [], ends: [], events: [], complete: false };
  act(simulation);
  return simulation;
}

export function happen(simulation: Simulation, happening: Happening): void {
  if (simulation.complete) return;
  apply(simulation, happening);
  act(simulation);
}

/** All answers come, well, until nothing is left to answer. */
export function comeToRest(simulation: Simulation): void {
  for (let turns = 0; simulation.begun.length > 0 && !simulation.complete; turns++) {
    if (turns > 5_000) throw new Error('the session does not come to rest');
    happen(simulation, { kind: 'answer', pick: 0, how: 'well' });
  }
}

function apply(simulation: Simulation, happening: Happening): void {
  const { state } = simulation;
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
      if (command) cancelCommand(state, command.spec.id, 'asked', noon);
      return;
    }
    case 'stopped':
      return life.sandboxStopped(state, happening.generation, 'cluster_stopped', noon);
    case 'archive':
      if (state.commands.length === 0 && !state.archiveRequested) life.archiveRequested(state);
      return;
    case 'patch':
      return life.patched(state, { title: 'Another' });
    case 'continueAsNew':
      simulation.state = JSON.parse(JSON.stringify(state)) as SessionState;
      simulation.begun = [];
      return;
    case 'answer':
      return answer(simulation, happening.pick, happening.how);
  }
}

function run(simulation: Simulation, spec: CommandSpec, trial: boolean): void {
  const known = simulation.accepted.includes(spec.id);
  if (refusal(simulation.state, spec)) return;
  acceptCommand(simulation.state, spec, trial ? 'trial:trl_x' : null, noon);
  if (!known) simulation.accepted.push(spec.id);
}

function answer(simulation: Simulation, pick: number, how: 'well' | 'badly' | 'not at all'): void {
  const [begun] = simulation.begun.splice(pick % Math.max(1, simulation.begun.length), 1);
  if (!begun) return;
  const { state } = simulation;
  if (begun.what === 'settling') return settle(state, noon);
  if (begun.what === 'reporting') {
    state.reports.shift();
    return;
  }
  if (begun.what === 'recording') {
    simulation.events.push(...begun.batch.events);
    for (const { draft } of begun.batch.events) {
      if (draft.payload.case === 'commandEnded') simulation.ends.push(draft.commandId ?? '');
    }
    return recorded(state, begun.batch, noon);
  }
  if (begun.what === 'sandbox') return answerSandbox(state, begun, how);
  if (how === 'not at all') return;
  if (how === 'badly' && !simulation.started.includes(begun.commandId)) {
    const from = { generation: begun.generation, sandboxGone: true };
    return life.commandNotStarted(state, begun.commandId, from, noon);
  }
  simulation.started.push(begun.commandId);
  simulation.ends.push(begun.commandId);
  life.commandEnded(state, begun.commandId, how === 'well' ? exited(0) : exited(1), noon);
}

function answerSandbox(state: SessionState, begun: Extract<Begun, { what: 'sandbox' }>, how: string): void {
  if (how === 'not at all') return;
  if (begun.step === 'remove') return life.sandboxRemoved(state);
  if (how === 'badly') return life.failed(state, 'internal', 'it went wrong', noon);
  if (begun.step === 'place') return life.placed(state, { runnerId: 'r', hostQueue: 'q' }, noon);
  life.opened(state, begun.generation, { from: 'volume', baseCommit: 'a', headCommit: 'b' });
}

function exited(exitCode: number): CommandResult {
  return { outcome: 'exited', reason: null, exitCode, signal: null, stdoutBytes: 0, stderrBytes: 0 };
}

/** Takes every step that is due, as the workflow's loop does. */
function act(simulation: Simulation): void {
  for (let steps = 0; ; steps++) {
    if (steps > 1_000) throw new Error('the session does not stop taking steps');
    const step = nextStep(simulation.state, underway(simulation));
    if (!step || simulation.complete) return;
    take(simulation, step);
  }
}

function take(simulation: Simulation, step: Step): void {
  const { state, begun } = simulation;
  const { generation } = state;
  switch (step.do) {
    case 'follow': {
      const command = state.commands.find(({ spec }) => spec.id === step.commandId)!;
      command.state = 'running';
      return void begun.push({ what: 'command', commandId: step.commandId, generation });
    }
    case 'place':
    case 'open':
    case 'remove':
      return void begun.push({ what: 'sandbox', step: step.do, generation });
    case 'setup': {
      const spec = sampleCommand(step.command, { origin: 'setup' });
      simulation.accepted.push(spec.id);
      return void acceptCommand(state, spec, null, noon);
    }
    case 'becomeReady':
      return life.becameReady(state, noon);
    case 'resume':
      return life.resumed(state, 'command', noon);
    case 'archive':
      return life.archived(state, noon);
    case 'record':
      return void begun.push({ what: 'recording', batch: nextRecord(state) });
    case 'report':
      return void begun.push({ what: 'reporting' });
    case 'settle':
      return void begun.push({ what: 'settling' });
    case 'unsettle':
      simulation.begun = begun.filter(({ what }) => what !== 'settling');
      return;
    case 'complete':
      simulation.complete = true;
  }
}

function underway({ begun }: Simulation): Underway {
  return {
    following: begun.flatMap((one) => (one.what === 'command' ? [one.commandId] : [])),
    sandbox: begun.some(({ what }) => what === 'sandbox'),
    recording: begun.some(({ what }) => what === 'recording'),
    reporting: begun.some(({ what }) => what === 'reporting'),
    settling: begun.some(({ what }) => what === 'settling'),
  };
}
