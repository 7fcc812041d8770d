import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { newId } from '@worktrail/contract/ids';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { unavailable } from '../deadline.ts';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { createSessionView } from './session-view.ts';
import { addSleepRoutes, type SleepRouteDeps } from './sleep-routes.ts';

const late = unavailable('orchestrator', 'no answer within 30000 ms');

/** A session whose workflow gives no answer in time, or another one, and is in this state by then. */
function appOf(state: SessionDocument['state'], refusal: WorktrailError = late) {
  const principal = { id: 'prn_1', keyId: 'key_1', kind: 'user', organizationId: 'org_1', scopes: ['run'] };
  const api = createApi({
    gate: { authenticate: async () => principal } as never,
    idempotency: { run: () => Promise.reject(new Error('no key was given')) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const document = { id: newId('session'), state: 'ready', title: 't', labels: {}, waitingForPlaceSince: null };
  addSleepRoutes(api, {
    sessions: { open: async () => ({ document }), newest: async () => ({ ...document, state }) },
    view: createSessionView(
      { lastCursor: async () => ({ epoch: 1, sequence: 1 }) },
      { live: () => Promise.reject(new Error('no session waits')) },
    ),
    runners: { checkAlive: async () => undefined },
    workflows: { update: () => Promise.reject(refusal) },
  } as unknown as SleepRouteDeps);
  return { hibernate: () => api.app.request(`/v1/sessions/${document.id}/hibernate`, { method: 'POST' }) };
}

test.each([
  { state: 'hibernating', status: 202 },
  { state: 'hibernated', status: 200 },
  { state: 'ready', status: 503 },
] as const)(
  'a hibernation that takes longer than a request waits is $status while the session is $state',
  async (told) => {
    const answer = await appOf(told.state).hibernate();
    expect(answer.status).toBe(told.status);
    const { state } = told;
    expect(await answer.json()).toMatchObject(told.status === 503 ? { code: 'dependency_unavailable' } : { state });
  },
);

test.each([
  { state: 'hibernating', status: 202 },
  { state: 'busy', status: 429 },
] as const)('where too many wait for it, it is $status while the session is $state', async ({ state, status }) => {
  const busy = new WorktrailError('rate_limited', '4 others wait for this session already');
  const answer = await appOf(state, busy).hibernate();
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject(status === 429 ? { code: 'rate_limited' } : { state });
});
