import type { SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { addSessionRoutes, type SessionRouteDeps } from './session-routes.ts';
import { createSessionView } from './session-view.ts';

const noCensus = { live: () => Promise.reject(new Error('no session waits')) };

/** The history has chosen these sessions; their documents may be newer. */
function appOf(documents: SessionDocument[]) {
  const gate = {
    authenticate: async () => ({
      id: 'prn_1',
      keyId: 'key_1',
      kind: 'user',
      organizationId: 'org_1',
      scopes: ['read'],
    }),
  };
  const api = createApi({
    gate: gate as never,
    idempotency: { run: () => Promise.reject(new Error('no key was given')) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  addSessionRoutes(api, {
    trace: { listSessions: async () => ({ sessionIds: documents.map(({ id }) => id), more: true }) },
    sessions: { find: async (_organization: string, id: string) => documents.find((document) => document.id === id) },
    view: createSessionView({ lastCursor: async () => ({ epoch: 1, sequence: 1 }) }, noCensus),
  } as unknown as SessionRouteDeps);
  return api.app;
}

const session = (state: SessionDocument['state']) =>
  ({ id: newId('session'), state, waitingForPlaceSince: null }) as SessionDocument;

test('a list by state holds no session that has another one by now, and goes on behind it', async () => {
  const documents = [session('ready'), session('busy')];
  const answer = await appOf(documents).request('/v1/sessions?state=ready');
  expect(await answer.json()).toMatchObject({ items: [{ id: documents[0]!.id }], nextCursor: documents[1]!.id });
});
