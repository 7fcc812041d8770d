import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comeToRest, happen, newSimulation } from '../../test/session-simulation.ts';
import { sampleCommand, sampleTurn } from '../../test/samples.ts';
import { automaticCheckpointAtMs } from './checkpoints.ts';
import { acceptCommand, startableCommand } from './commands.ts';
import { fileChangeAsked, nextFileChange } from './file-changes.ts';
import { isNewestDue } from './forks.ts';
import { mayHibernate } from './hibernation.ts';
import { archiveRequested } from './life.ts';
import { nextStep, type Underway } from './next-step.ts';
import { type Occupation, type Occupying, waitsFor } from './occupations.ts';
import { mayBeginRevert, revertBegun } from './reverts.ts';
import type { SessionState } from './state.ts';
import { messageTaken, turnBegun } from './turns.ts';

const noon = '2026-01-01T12:00:00.000Z';
const actor = { kind: 'user' as const, id: 'prn_someone' };
const occupations = [
  'command',
  'revert',
  'fileChange',
  'update',
  'turn',
  'message',
] as const satisfies readonly Occupation[];
const subsets = fc.subarray([...occupations]);

/** A session that is ready and occupied with these. */
function occupied(by: readonly Occupation[]): SessionState {
  const simulation = newSimulation([]);
  comeToRest(simulation);
  const { state } = simulation;
  if (by.includes('fileChange')) {
    const request = { changeId: 'evt_1', path: 'a', content: null, executable: null, expected: null, actor };
    fileChangeAsked(state, request, noon);
    state.changing.asked[0]!.begun = true;
  }
  if (by.includes('command')) {
    acceptCommand(state, sampleCommand('x'), null, noon);
    Object.assign(state.commands[0]!, { state: 'running', startedAt: noon });
  }
  if (by.includes('revert')) {
    revertBegun(state, { checkpointId: 'chk_1', to: state.checkpoint!, force: true, actor }, noon);
    state.reverting.plan!.stage = 'files';
  }
  if (by.includes('turn')) {
    messageTaken(state, sampleTurn('first'), noon);
    turnBegun(state, state.turns.live[0]!, noon);
  }
  if (by.includes('message')) messageTaken(state, sampleTurn('second'), noon);
  state.updating = by.includes('update') ? { id: 'update-1' } : null;
  return state;
}

const nothing: Underway = {
  ...{ following: [], sandbox: false, checkpoint: false, reverting: false, changing: false, updating: false },
  ...{ model: false, agent: false, tool: false },
  ...{ endingLost: false, endingLeft: false, recording: false, reporting: false, alarmAtMs: null },
};

/** What waits for what, said a second time. */
const expected: Record<Occupying, Record<Occupation, boolean>> = {
  command: { command: false, revert: true, fileChange: false, update: true, turn: false, message: false },
  fileChange: { command: false, revert: true, fileChange: false, update: true, turn: false, message: false },
  checkpoint: { command: false, revert: true, fileChange: false, update: true, turn: false, message: false },
  fork: { command: false, revert: true, fileChange: false, update: true, turn: false, message: false },
  proposal: { command: true, revert: true, fileChange: false, update: true, turn: true, message: false },
  revert: { command: true, revert: true, fileChange: false, update: true, turn: true, message: false },
  update: { command: true, revert: true, fileChange: true, update: true, turn: true, message: false },
  hibernation: { command: true, revert: true, fileChange: true, update: true, turn: true, message: true },
  turn: { command: false, revert: true, fileChange: false, update: true, turn: false, message: false },
  archive: { command: true, revert: true, fileChange: false, update: true, turn: true, message: true },
};

describe('what is to be done with a session', () => {
  it.each(Object.keys(expected) as Occupying[])('waits, for a %s, for exactly what the table says', (what) => {
    for (let bits = 0; bits < 2 ** occupations.length; bits++) {
      const by = occupations.filter((_, index) => (bits >> index) % 2 === 1);
      expect(waitsFor(what, occupied(by))).toEqual(by.filter((one) => expected[what][one]));
    }
  });

  it('is decided by the table', () => {
    fc.assert(
      fc.property(subsets, (by) => {
        const state = occupied(by);
        const isFree = (what: Occupying) => waitsFor(what, state).length === 0;
        expect(mayHibernate(state)).toBe(isFree('hibernation'));
        expect(mayBeginRevert(state, false)).toBe(isFree('revert'));
        expect(nextFileChange(state) !== undefined).toBe(by.includes('fileChange') && isFree('fileChange'));
        if (!isFree('fork')) expect(isNewestDue(state)).toBe(true);
        state.uncheckpointedSince = noon;
        expect(automaticCheckpointAtMs(state) !== null).toBe(isFree('checkpoint'));
        state.commands = [];
        acceptCommand(state, sampleCommand('x'), null, noon);
        expect(startableCommand(state) !== undefined).toBe(isFree('command'));
      }),
    );
  });
});

describe('while the default branch is brought in', () => {
  it('nothing is removed, also where the session is to be archived', () => {
    const state = occupied(['update']);
    archiveRequested(state);
    const steps = ['remove', 'archive'];
    expect(steps).not.toContain(nextStep(state, nothing, Date.parse(noon))?.do);
    state.updating = null;
    expect(steps).toContain(nextStep(state, nothing, Date.parse(noon))?.do);
  });

  it('no checkpoint is begun that would have half of it, whoever asks', () => {
    const simulation = newSimulation([]);
    comeToRest(simulation);
    const { state } = simulation;
    state.updating = { id: 'update-1' };
    happen(simulation, { kind: 'checkpoint' });
    comeToRest(simulation);
    expect(state.checkpoint?.number).toBe(2);
    state.checkpointing.asked.push({ checkpointId: 'chk_asked', label: '' });
    expect(nextStep(state, { ...nothing, updating: true }, simulation.nowMs)?.do).not.toBe('planCheckpoint');
    expect(nextStep(state, nothing, simulation.nowMs)).toEqual({ do: 'planCheckpoint', purpose: 'asked' });
  });
});
