import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SandboxRecord } from '../sessions/session-directory.ts';
import { type FoundObject, judge, type Known, type KnownSession, scratchQuietMs } from './judge.ts';

const runnerId = 'run-here';
const organizationId = newId('organization');
const sessionId = newId('session');
const nowMs = 2_000_000_000_000;

const states = ['creating', 'ready', 'busy', 'hibernating', 'hibernated', 'resuming', 'failed', 'archived'] as const;
const documents = fc.record({
  organizationId: fc.constant(organizationId),
  runnerId: fc.constantFrom(runnerId, 'run-other', null),
  generation: fc.integer({ min: 0, max: 4 }),
  filesGeneration: fc.integer({ min: 0, max: 4 }),
  state: fc.constantFrom(...states),
});
const records: fc.Arbitrary<SandboxRecord> = fc
  .record({
    generation: fc.integer({ min: 1, max: 4 }),
    filesGeneration: fc.integer({ min: 0, max: 4 }),
    state: fc.constantFrom('creating' as const, 'open' as const, 'stopped' as const),
  })
  .map((fields) => ({
    ...{ organizationId, projectId: 'prj', sessionId, partition: 0, workspaceReady: true, filesGenerationBefore: 0 },
    ...{ volumes: { workspace: 'own-workspace', home: 'own-home' }, imageEnv: [], upstreamObjects: '/', shell: 'sh' },
    ...{ opened: null, hibernated: null, containerId: fields.state === 'open' ? 'own-container' : null },
    ...fields,
  }));
const objects: fc.Arbitrary<FoundObject> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('container' as const, 'volume' as const, 'network' as const),
    name: fc.constantFrom('own-container', 'own-workspace', 'own-home', 'stray'),
    organizationId: fc.constantFrom(organizationId, newId('organization'), null),
    sessionId: fc.constant(sessionId),
    generation: fc.constantFrom(1, 2, 3, null),
  }),
  fc.constant({ kind: 'directory' as const, name: sessionId, sessionId }),
);
const sessions: fc.Arbitrary<KnownSession> = fc.record({
  document: fc.oneof(documents, fc.constantFrom('missing' as const, 'unreadable' as const)),
  record: fc.oneof(records, fc.constantFrom('missing' as const, 'unreadable' as const)),
  isIdle: fc.boolean(),
  createdMs: fc.constantFrom(1, 1_000),
});

const known = (session: KnownSession, changes: Partial<Known> = {}): Known => ({
  ...{ runnerId, documentsSinceMs: 500, processStartedMs: nowMs - 1_000 },
  sessions: new Map([[sessionId, session]]),
  ...changes,
});

test('nothing is said of a session that somebody works on, or whose document cannot be read', () => {
  fc.assert(
    fc.property(objects, sessions, (object, session) => {
      expect(judge([object], known({ ...session, isIdle: false }), nowMs)).toEqual([]);
      expect(judge([object], known({ ...session, document: 'unreadable' }), nowMs)).toEqual([]);
    }),
  );
});

test('what the record of a live session names is never removed, nor anything of one that may live here without a record', () => {
  fc.assert(
    fc.property(objects, documents, fc.oneof(records, fc.constant('missing' as const)), (object, document, record) => {
      fc.pre(document.state !== 'failed' && document.state !== 'archived');
      const found = judge([object], known({ document, record, isIdle: true, createdMs: 1_000 }), nowMs);
      const isItsOwn = record === 'missing' ? document.runnerId !== 'run-other' : isNamed(object, record);
      if (isItsOwn) expect(found.filter(({ action }) => action === 'remove')).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

function isNamed(object: FoundObject, record: SandboxRecord): boolean {
  if (object.kind === 'directory') return true;
  if (object.kind === 'container') return record.containerId === object.name;
  return object.kind === 'volume' && Object.values(record.volumes).includes(object.name);
}

test('everything of an unknown session, and of one that has ended, may go, but for one that is older than all documents', () => {
  fc.assert(
    fc.property(objects, sessions, documents, (object, session, ended) => {
      const unknown = { ...session, document: 'missing' as const, isIdle: true };
      const [first] = judge([object], known({ ...unknown, createdMs: 501 }), nowMs);
      expect(first).toMatchObject({ action: 'remove', sessionId });
      const [old] = judge([object], known({ ...unknown, createdMs: 500 }), nowMs);
      expect(old).toMatchObject({ action: 'report' });
      for (const state of ['failed', 'archived'] as const) {
        const [one] = judge([object], known({ ...unknown, document: { ...ended, state } }), nowMs);
        expect(one).toMatchObject({ action: 'remove', organizationId });
      }
    }),
  );
});

test('what a newer generation proves to be out of date is left to whom that proves it', () => {
  const document = {
    organizationId,
    runnerId: 'run-other',
    generation: 5,
    filesGeneration: 5,
    state: 'ready',
  } as const;
  fc.assert(
    fc.property(objects, records, (object, record) => {
      expect(judge([object], known({ document, record, isIdle: true, createdMs: 1_000 }), nowMs)).toEqual([]);
    }),
  );
});

test('of a session that lives elsewhere and has no record here everything may go, once its files were open there', () => {
  const document = {
    organizationId,
    runnerId: 'run-other',
    generation: 2,
    filesGeneration: 2,
    state: 'ready',
  } as const;
  const volume: FoundObject = { kind: 'volume', name: 'v', organizationId, sessionId, generation: 1 };
  const session = { record: 'missing', isIdle: true, createdMs: 1_000 } as const;
  expect(judge([volume], known({ ...session, document }), nowMs)).toMatchObject([{ action: 'remove' }]);
  const before = { ...document, filesGeneration: 1 };
  expect(judge([volume], known({ ...session, document: before }), nowMs)).toMatchObject([{ action: 'report' }]);
});

test('scratch is left over when it is older than the process, or nothing changed in it for an hour, and nobody works on its session', () => {
  const session: KnownSession = { document: 'missing', record: 'missing', isIdle: true, createdMs: 1_000 };
  const scratch = (changedMs: number, of: string | null = null): FoundObject => {
    return { kind: 'leftover', name: 'a.new', organizationId: null, sessionId: of, changedMs, isSandboxes: false };
  };
  const started = { processStartedMs: nowMs - 2 * scratchQuietMs };
  const count = (one: FoundObject, isIdle = true) => judge([one], known({ ...session, isIdle }, started), nowMs).length;
  expect(count(scratch(nowMs - scratchQuietMs))).toBe(1);
  expect(count(scratch(nowMs - scratchQuietMs + 1))).toBe(0);
  expect(count(scratch(nowMs - scratchQuietMs, sessionId))).toBe(1);
  expect(count(scratch(nowMs - scratchQuietMs, sessionId), false)).toBe(0);
  expect(judge([scratch(nowMs - 10)], known(session, { processStartedMs: nowMs }), nowMs)).toHaveLength(1);
});

test('what was set aside of a sandbox is left over only while the sandbox is stopped', () => {
  const aside: FoundObject = {
    ...{ kind: 'leftover', name: `sessions/${sessionId}/checkpoints/aside-0`, organizationId: null, sessionId },
    ...{ changedMs: 0, isSandboxes: true },
  };
  fc.assert(
    fc.property(documents, fc.oneof(records, fc.constant('missing' as const)), (document, record) => {
      const found = judge([aside], known({ document, record, isIdle: true, createdMs: 1_000 }), nowMs);
      expect(found.length).toBe(record !== 'missing' && record.state === 'stopped' ? 1 : 0);
    }),
  );
});

test('images are told of after a day and never removed', () => {
  const image: FoundObject = { kind: 'image', name: 'worktrail-derived:0123' };
  const session: KnownSession = { document: 'missing', record: 'missing', isIdle: true, createdMs: 1_000 };
  expect(judge([image], known(session), nowMs)).toMatchObject([{ action: 'report', shownAfterMs: 24 * 3_600_000 }]);
});
