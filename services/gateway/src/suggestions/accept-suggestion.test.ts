import fc from 'fast-check';
import { expect, test } from 'vitest';
import { permissionsDefault, turnLimitsDefault } from '@worktrail/contract/agents';
import type { SessionDocument } from '@worktrail/contract/documents';
import type { SessionSpec } from '@worktrail/contract/session-messages';
import { type SuggestionDocument, suggestionKey, type SuggestionState } from '@worktrail/contract/suggestions';
import type { TurnSpec } from '@worktrail/contract/turns';
import type { ConfigurationStore } from '../configuration-store.ts';
import { createDraw, newSeed } from '../draw.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import { type AcceptDeps, acceptSuggestion } from './accept-suggestion.ts';

const organizationId = 'org_1';
const agent: TurnSpec['agent'] = {
  ...{ kind: 'built_in', model: 'a/b', command: '', permissions: permissionsDefault, limits: turnLimitsDefault },
};
const principal = { kind: 'user', id: 'prn_1', organizationId, keyId: 'key_1', scopes: ['run'] } as const;

function suggested(state: SuggestionState = 'open'): SuggestionDocument {
  return {
    ...{ id: 'sug_1', organizationId, projectId: 'prj_1', kind: 'todo', fingerprint: 'f', title: 'TODO: mend' },
    ...{ description: 'A comment', score: 0.5, evidence: [{ path: 'a.ts', firstLine: 2, lastLine: 4, blobId: 'b' }] },
    ...{
      output: null,
      state,
      commit: 'c',
      reason: null,
      decidedBy: null,
      accepted: null,
      createdAt: '',
      updatedAt: '',
    },
  };
}

/** What lasts; each use of it may be the last one of a process, before or after it is done. */
function world(state?: SuggestionState) {
  const documents = new Map<string, unknown>([[suggestionKey(organizationId, 'sug_1'), suggested(state)]]);
  const sessions = new Map<string, SessionDocument>();
  const started: string[] = [];
  const told: string[] = [];
  let left = Number.POSITIVE_INFINITY;
  const step = async <T>(work: () => T): Promise<T> => {
    if (left-- <= 0) throw new Error('died before');
    const result = work();
    if (left-- <= 0) throw new Error('died after');
    return result;
  };
  const store = {
    create: <T>(key: string, value: T) =>
      step(() => {
        if (!documents.has(key)) documents.set(key, value);
        return { value: documents.get(key) as T, revision: 1 };
      }),
    change: <T>(key: string, _: string | null, make: (value: T) => T) =>
      step(() => {
        documents.set(key, make(documents.get(key) as T));
        return { value: documents.get(key) as T, revision: 1 };
      }),
  } as unknown as ConfigurationStore;
  const deps = {
    store,
    projects: { spec: (input: object) => ({ ...input, organizationId }) as unknown as SessionSpec },
    sessions: {
      find: (_: string, id: string) => step(() => sessions.get(id)),
      newest: async (document: SessionDocument) => document,
      announce: (document: SessionDocument) => step(() => void sessions.set(document.id, document)),
    },
    quota: { admit: async () => undefined },
    runners: { checkPlaceable: async () => undefined },
    workflows: {
      // An id is never used twice.
      start: (_: string, id: string, { firstMessage }: SessionSpec) =>
        step(() => {
          if (started.includes(id)) return;
          started.push(id);
          if (firstMessage) told.push(firstMessage.id);
        }),
    },
  } as unknown as AcceptDeps;
  const read = () => documents.get(suggestionKey(organizationId, 'sug_1')) as SuggestionDocument;
  return {
    ...{ documents, sessions, started, told, read },
    dieAfter: (steps: number) => {
      left = steps;
    },
    accept: (more: { agent?: TurnSpec['agent'] | null; message?: string } = {}) =>
      acceptSuggestion(deps, {} as ProjectDocument, read(), {
        ...{ principal, draw: createDraw(newSeed(), 1_000), agent: null, message: null },
        ...more,
      }),
  };
}

test('accepting makes a task with the evidence, and a session; again, the same', async () => {
  const { accept, started, told } = world();
  const one = await accept();
  expect(one.task).toMatchObject({ title: 'TODO: mend', origin: 'suggested', state: 'open' });
  expect(one.task.description).toBe('A comment\n\nSeen at commit c:\n- a.ts:2-4');
  expect(one.suggestion).toMatchObject({ state: 'accepted', decidedBy: 'prn_1' });
  const two = await accept({ agent });
  expect([two.task.id, two.session.id]).toEqual([one.task.id, one.session.id]);
  expect([started.length, told.length]).toEqual([1, 0]);
});

test('with an agent it is told what the suggestion says, or what was asked for', async () => {
  const first = world();
  await first.accept({ agent });
  expect(first.read().accepted!.turn!.text).toBe('TODO: mend\n\nA comment\n\nSeen at commit c:\n- a.ts:2-4');
  const second = world();
  await second.accept({ agent, message: 'do it' });
  expect(second.read().accepted!.turn!.text).toBe('do it');
  expect(second.told).toHaveLength(1);
});

test('what is dismissed may be accepted after all; what is gone may not', async () => {
  expect((await world('dismissed').accept()).suggestion.state).toBe('accepted');
  await expect(world('resolved').accept()).rejects.toMatchObject({ code: 'conflict' });
});

test('wherever those who accept it die, and however many come, one task, one session and one message are made', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(16), { maxLength: 6 }), fc.nat(3), async (deaths, more) => {
      const { accept, dieAfter, documents, sessions, started, told } = world();
      for (const steps of deaths) {
        dieAfter(steps);
        await accept({ agent }).catch(() => undefined);
      }
      dieAfter(Number.POSITIVE_INFINITY);
      const all = await Promise.all(Array.from({ length: more + 1 }, () => accept({ agent })));
      expect(new Set(all.map(({ task, session }) => `${task.id} ${session.id}`)).size).toBe(1);
      expect([documents.size, sessions.size, started.length, told.length]).toEqual([2, 1, 1, 1]);
    }),
    { numRuns: 300 },
  );
});
