import { describe, expect, it } from 'vitest';
import { comeToRest, happen, newSimulation, type Simulation } from '../../test/session-simulation.ts';
import { sampleCommand } from '../../test/samples.ts';
import { acceptCommand } from './commands.ts';
import { answeredFileChange } from './file-changes.ts';
import { isNewestDue } from './forks.ts';
import { mayHibernate } from './hibernation.ts';
import { answeredRevert } from './reverts.ts';

/** Ready, with its first checkpoint stored. */
function storedSession(): Simulation {
  const simulation = newSimulation([]);
  comeToRest(simulation);
  expect(simulation.state).toMatchObject({ phase: 'ready', checkpoint: { number: 1 } });
  return simulation;
}

/** Answers well until the revert is in that stage, and something of it is under way. */
function untilStage(simulation: Simulation, stage: string): void {
  const what = stage === 'files' ? 'revert' : 'checkpoint';
  for (let answers = 0; answers < 50; answers++) {
    const isThere = simulation.state.reverting.plan?.stage === stage;
    if (isThere && simulation.begun.some((begun) => begun.what === what)) return;
    happen(simulation, { kind: 'answer', pick: 0, how: 'well' });
  }
  throw new Error(`it does not come to ${stage}`);
}

const outcome = ({ state, reverts }: Simulation) => answeredRevert(state, reverts[0]!);
const events = (simulation: Simulation, type: string) =>
  simulation.events.filter(({ draft }) => draft.payload.case === type).map(({ draft }) => draft);

describe('a revert', () => {
  it('keeps what was there, and is a checkpoint itself, told by its actor', () => {
    const simulation = storedSession();
    happen(simulation, { kind: 'revert', force: false });
    comeToRest(simulation);
    expect(simulation.state.checkpoint?.number).toBe(3);
    expect(outcome(simulation)).toMatchObject({ document: { checkpoint: { number: 3, id: simulation.reverts[0] } } });
    expect(events(simulation, 'sessionReverted')).toMatchObject([
      {
        actor: { kind: 'user', id: 'prn_someone' },
        payload: { value: { checkpointNumber: 1, newCheckpointNumber: 3, newCheckpointId: simulation.reverts[0] } },
      },
    ]);
  });

  it('is not begun while a command of a user is live, unless it is forced: then that one is canceled for it', () => {
    const simulation = storedSession();
    happen(simulation, { kind: 'run', background: true, trial: false });
    happen(simulation, { kind: 'revert', force: false });
    expect(simulation.reverts).toEqual([]);
    happen(simulation, { kind: 'revert', force: true });
    expect(simulation.state.commands[0]).toMatchObject({ cancelReason: 'reverted' });
    expect(simulation.state.checkpointing.plan).toBeNull();
    comeToRest(simulation);
    expect(outcome(simulation)?.failure).toBeNull();
  });

  it('lets commands that come meanwhile wait for its end', () => {
    const simulation = storedSession();
    happen(simulation, { kind: 'revert', force: false });
    acceptCommand(simulation.state, sampleCommand('x'), null, '2026-01-01T13:00:00.000Z');
    untilStage(simulation, 'storing');
    expect(simulation.state.commands).toMatchObject([{ state: 'queued' }]);
    happen(simulation, {
      kind: 'answer',
      pick: simulation.begun.findIndex(({ what }) => what === 'checkpoint'),
      how: 'well',
    });
    expect(simulation.state.commands).toMatchObject([{ state: 'running' }]);
  });

  it.each(['keeping', 'files', 'storing'])('whose host is lost while it is %s is done on another', (stage) => {
    const simulation = storedSession();
    happen(simulation, { kind: 'revert', force: false });
    untilStage(simulation, stage);
    happen(simulation, { kind: 'hostLost', runner: 'its own', earlier: 0 });
    comeToRest(simulation);
    expect(simulation.state).toMatchObject({ phase: 'ready', generation: 3 });
    expect(outcome(simulation)).toMatchObject({ document: { checkpoint: { number: stage === 'keeping' ? 3 : 4 } } });
    expect(events(simulation, 'sessionReverted')).toHaveLength(1);
    const restored = events(simulation, 'sessionRestored')[0]?.payload;
    if (restored?.case !== 'sessionRestored') throw new Error('it was not restored');
    if (stage !== 'keeping') expect(restored.value.notKept).toEqual(['processes']);
  });

  it.each(['keeping', 'files', 'storing'])('goes on over a new run of the workflow while it is %s', (stage) => {
    const simulation = storedSession();
    happen(simulation, { kind: 'revert', force: false });
    untilStage(simulation, stage);
    happen(simulation, { kind: 'continueAsNew' });
    comeToRest(simulation);
    expect(outcome(simulation)?.failure).toBeNull();
    expect(events(simulation, 'sessionReverted')).toHaveLength(1);
  });

  it('is not begun while the default branch is brought in, and neither is anything else that touches the files', () => {
    const simulation = storedSession();
    const { state } = simulation;
    state.updating = { id: 'update-1' };
    expect(isNewestDue(state)).toBe(true);
    happen(simulation, { kind: 'revert', force: true });
    happen(simulation, { kind: 'changeFile' });
    happen(simulation, { kind: 'hibernate' });
    happen(simulation, { kind: 'run', background: true, trial: false });
    expect(simulation.reverts).toEqual([]);
    expect(state).toMatchObject({ phase: 'ready', commands: [{ state: 'queued' }], reverting: { plan: null } });
    expect(simulation.begun.filter(({ what }) => what === 'fileChange' || what === 'command')).toEqual([]);
    state.updating = null;
    comeToRest(simulation);
    expect(answeredFileChange(state, simulation.fileChanges[0]!)?.file).not.toBeNull();
    expect(state.commands).toEqual([]);
  });

  it('is waited for by an update, a hibernation and a fork, and so is a file that is to be changed by the first two', () => {
    const simulation = storedSession();
    const { state } = simulation;
    expect([mayHibernate(state), isNewestDue(state)]).toEqual([true, false]);
    happen(simulation, { kind: 'changeFile' });
    expect(mayHibernate(state)).toBe(false);
    comeToRest(simulation);
    happen(simulation, { kind: 'revert', force: false });
    expect([mayHibernate(state), isNewestDue(state)]).toEqual([false, true]);
    comeToRest(simulation);
    expect([mayHibernate(state), isNewestDue(state)]).toEqual([true, false]);
  });

  it('wakes a session that sleeps', () => {
    const simulation = storedSession();
    happen(simulation, { kind: 'hibernate' });
    comeToRest(simulation);
    expect(simulation.state.phase).toBe('hibernated');
    happen(simulation, { kind: 'revert', force: false });
    comeToRest(simulation);
    expect(simulation.state.phase).toBe('ready');
    expect(outcome(simulation)?.failure).toBeNull();
  });

  it('whose files could not be made says so, and what is there then is checkpointed like any change', () => {
    const simulation = storedSession();
    happen(simulation, { kind: 'revert', force: false });
    untilStage(simulation, 'files');
    const pick = simulation.begun.findIndex(({ what }) => what === 'revert');
    expect(pick % 2).toBe(0);
    happen(simulation, { kind: 'answer', pick, how: 'badly' });
    expect(outcome(simulation)).toEqual({ id: simulation.reverts[0], document: null, failure: 'it went wrong' });
    comeToRest(simulation);
    expect(simulation.state.checkpoint?.number).toBe(3);
    expect(events(simulation, 'sessionReverted')).toEqual([]);
  });
});
