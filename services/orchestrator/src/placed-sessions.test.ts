import type { SessionDocument } from '@worktrail/contract/documents';
import { describe, expect, it } from 'vitest';
import { sampleSession } from '../test/samples.ts';
import { createPlacedSessions } from './placed-sessions.ts';
import { newSessionState, sessionDocument } from './session/state.ts';

const bounds = { max: 10, againMs: 5_000 };
const all = () => true;

function document(id: string, changes: Partial<SessionDocument>): SessionDocument {
  return { ...sessionDocument(newSessionState(sampleSession())), id, state: 'ready', runnerId: 'r', ...changes };
}

describe('the sessions of a lost runner', () => {
  it.each(['creating', 'ready', 'busy', 'hibernating', 'resuming', 'failed'] as const)(
    'that are %s are told',
    (state) => {
      const sessions = createPlacedSessions();
      sessions.apply(document('s', { state, generation: 3 }));
      expect(sessions.toTell(all, 0, bounds)).toEqual([{ sessionId: 's', runnerId: 'r', generation: 3 }]);
    },
  );

  it.each(['hibernated', 'archived'] as const)('that are %s are left alone', (state) => {
    const sessions = createPlacedSessions();
    sessions.apply(document('s', { version: 1 }));
    sessions.apply(document('s', { version: 2, state }));
    expect(sessions.toTell(all, 0, bounds)).toEqual([]);
    expect(sessions.runnerIds()).toEqual(new Set());
  });

  it('are told again after a while, for as long as their document shows that runner', () => {
    const sessions = createPlacedSessions();
    sessions.apply(document('s', { version: 1 }));
    expect(sessions.toTell(all, 0, bounds)).toHaveLength(1);
    sessions.apply(document('s', { version: 2 }));
    expect(sessions.toTell(all, 4_999, bounds)).toHaveLength(0);
    expect(sessions.toTell(all, 5_000, bounds)).toHaveLength(1);
    sessions.apply(document('s', { version: 3, runnerId: null }));
    expect(sessions.toTell(all, 20_000, bounds)).toEqual([]);
  });

  it('are told in turns when they are many', () => {
    const sessions = createPlacedSessions();
    for (let i = 0; i < 25; i++) sessions.apply(document(`s${i}`, {}));
    const told = [1, 2, 3].flatMap(() => sessions.toTell(all, 0, bounds).map(({ sessionId }) => sessionId));
    expect(new Set(told).size).toBe(25);
    expect(sessions.toTell(all, 0, bounds)).toEqual([]);
  });

  it('are those that are there now, whatever an older document says', () => {
    const sessions = createPlacedSessions();
    sessions.apply(document('s', { version: 5, runnerId: 'elsewhere' }));
    sessions.apply(document('s', { version: 4, runnerId: 'r' }));
    expect(sessions.runnerIds()).toEqual(new Set(['elsewhere']));
    expect(sessions.toTell((runnerId) => runnerId === 'r', 0, bounds)).toEqual([]);
  });
});
