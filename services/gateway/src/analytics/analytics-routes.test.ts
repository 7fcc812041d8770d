import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { notFound } from '../problem.ts';
import { addAnalyticsRoutes } from './analytics-routes.ts';
import { reportSpecs } from './report-specs.ts';

const mine = newId('project');
const row = { key: 'a/b', calls: 2, inputTokens: 9, outputTokens: 4, cachedInputTokens: 0, costUsd: 0.25 };

function app(answer: () => Promise<object> = async () => ({ rowsJson: JSON.stringify([row]), truncated: false })) {
  const principal = { id: 'prn_1', keyId: 'key_1', kind: 'user', organizationId: 'org_1', scopes: ['read'] };
  const api = createApi({
    gate: { authenticate: async () => principal } as never,
    idempotency: { run: () => Promise.reject(new Error('no key was given')) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const asked: object[] = [];
  addAnalyticsRoutes(api, {
    projects: {
      open: async (_, projectId) => {
        if (projectId !== mine) throw notFound(projectId);
        return {} as never;
      },
    },
    trace: {
      report: (question) => {
        asked.push(question);
        return answer() as never;
      },
    },
  });
  return { get: (query: string, name = 'usage') => api.app.request(`/v1/analytics/${name}${query}`), asked };
}

test('usage is asked of the own organization, by model unless it says otherwise', async () => {
  const { get, asked } = app();
  const answer = await get('');
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({
    from: null,
    to: null,
    groupBy: 'model',
    interval: 'none',
    items: [row],
    truncated: false,
  });
  const times = 'from=2026-11-01T02:00:00%2B02:00&to=2026-11-02T00:00:00Z';
  expect(await (await get(`?groupBy=day&projectId=${mine}&${times}`)).json()).toMatchObject({
    ...{ from: '2026-11-01T00:00:00.000Z', to: '2026-11-02T00:00:00.000Z', groupBy: 'day' },
  });
  expect(asked).toMatchObject([
    { organizationId: 'org_1', name: 'usage', groupBy: 'model', projectId: '' },
    { organizationId: 'org_1', groupBy: 'day', projectId: mine, from: { seconds: 1_793_491_200n }, limit: 1_000 },
  ]);
});

test('every report is asked for by its name, over time unless it says otherwise, and there are no others', async () => {
  const { get, asked } = app();
  for (const { name, groups, interval = 'none' } of reportSpecs) {
    expect((await get('?limit=3', name)).status).toBe(200);
    expect(asked.at(-1)).toMatchObject({ name, groupBy: groups[0], interval, limit: 3 });
  }
  expect((await get('?interval=week&groupBy=task', 'outcomes')).status).toBe(200);
  expect(asked.at(-1)).toMatchObject({ name: 'outcomes', groupBy: 'task', interval: 'week' });
  for (const [label, told] of [
    ['team', { name: 'team' }],
    ['team=', { name: 'team', value: '' }],
    ['a/b=c%3Dd', { name: 'a/b', value: 'c=d' }],
  ] as const) {
    expect((await get(`?label=${label}`)).status).toBe(200);
    expect(asked.at(-1)).toMatchObject({ label: told });
  }
  expect((await get('', 'colours')).status).toBe(404);
  expect((await get('?interval=day', 'slowest-commands')).status).toBe(422);
});

test.each([
  ['?groupBy=colour', 422, 'groupBy'],
  ['?interval=year', 422, 'interval'],
  ['?limit=1001', 422, 'limit'],
  ['?label=%20', 422, 'label'],
  ['?from=yesterday', 422, 'from'],
  ['?to=1066-10-14T00:00:00Z', 422, 'to'],
  ['?from=2026-02-30T00:00:00Z', 422, 'from'],
  ['?from=2026-11-02T00:00:00Z&to=2026-11-02T00:00:00Z', 422, 'to'],
  ['?projectId=prj_x', 422, 'projectId'],
  [`?projectId=${newId('project')}`, 404, undefined],
])('%s is refused before anything is counted', async (query, status, path) => {
  const { get, asked } = app();
  const answer = await get(query);
  expect(answer.status).toBe(status);
  expect(((await answer.json()) as { errors?: { path: string }[] }).errors?.[0]?.path).toBe(path);
  expect(asked).toEqual([]);
});

test('an organization that asks for too much at once is told so, what is too much is not valid, a trace-store that is away may be asked again', async () => {
  const answered = async (code: Code) => (await app(() => Promise.reject(new ConnectError('no', code))).get('')).status;
  expect(await answered(Code.Aborted)).toBe(429);
  expect(await answered(Code.Unavailable)).toBe(503);
  expect(await answered(Code.ResourceExhausted)).toBe(422);
});
