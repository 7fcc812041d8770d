import { newId } from '@worktrail/contract/ids';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { addCommandRoutes, type CommandRouteDeps } from './command-routes.ts';

const sessionId = newId('session');

/** The session's workflow has sent the command to a runner, from which nothing is heard. */
function app() {
  const principal = { id: 'prn_1', keyId: 'key_1', kind: 'user', organizationId: 'org_1', scopes: ['run'] };
  const api = createApi({
    gate: { authenticate: async () => principal } as never,
    idempotency: { run: () => Promise.reject(new Error('no key was given')) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  addCommandRoutes(api, {
    operator: { ceilings: { commandTimeoutSeconds: 60 } },
    sessions: {
      open: async () => ({
        document: { id: sessionId, state: 'ready' },
        scope: { organizationId: 'org_1', sessionId },
      }),
    },
    ...{ commands: {}, position: {}, runners: { checkPresent: async () => undefined } },
    workflows: { update: async () => ({ state: 'running' }) },
    followers: { admit: () => () => undefined },
    live: {
      subscribe: () => ({
        ...{ isWhole: () => true, take: () => undefined, close: () => undefined },
        more: (timeoutMs: number) => new Promise((resolve) => setTimeout(resolve, timeoutMs)),
      }),
    },
    stopping: new AbortController().signal,
  } as unknown as CommandRouteDeps);
  return api.app;
}

test.each(['', '?waitSeconds=0.05'])(
  'a command that is not known to have been started is queued (%s)',
  async (query) => {
    const init = { method: 'POST', body: '{"command":"true"}' };
    const answer = await app().request(`/v1/sessions/${sessionId}/commands${query}`, init);
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ state: 'queued', startedAt: null });
  },
);
