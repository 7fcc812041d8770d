import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { newId } from '@worktrail/contract/ids';
import { searchedTypes } from '@worktrail/contract/search';
import { createLogger } from '@worktrail/runtime/log';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import { createApi } from '../http/api.ts';
import { createHttpMetrics } from '../http/http-metrics.ts';
import { notFound } from '../problem.ts';
import { addSearchRoutes } from './search-routes.ts';

const mine = newId('project');
const time = '2026-11-26T12:00:00.500Z';
const hit = {
  ...{
    type: 'command.output',
    time: timestampFromDate(new Date(time)),
    projectId: mine,
    taskId: '',
    sessionId: 'ses_1',
  },
  ...{ turnId: '', commandId: 'cmd_1', cursor: { epoch: 36n, sequence: 37n, fill: 0n }, stream: 'stderr', offset: 7n },
  ...{ text: 'a needle', highlights: [{ from: 2, to: 8 }] },
};

function app(
  answer: () => Promise<object> = async () => ({ hits: [hit, { ...hit, type: 'message.user' }], next: 'more' }),
) {
  const principal = { id: 'prn_1', keyId: 'key_1', kind: 'user', organizationId: 'org_1', scopes: ['read'] };
  const api = createApi({
    gate: { authenticate: async () => principal } as never,
    idempotency: { run: () => Promise.reject(new Error('no key was given')) },
    metrics: createHttpMetrics(createMetrics('test')),
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const asked: object[] = [];
  addSearchRoutes(api, {
    projects: {
      open: async (_, projectId) => {
        if (projectId !== mine) throw notFound(projectId);
        return {} as never;
      },
    },
    trace: {
      search: (question) => {
        asked.push(question);
        return answer() as never;
      },
    },
  });
  return { get: (query: string) => api.app.request(`/v1/search${query}`), asked };
}

test('what is found is told of where it is, with the places of the terms; all of it is of the own organization', async () => {
  const { get, asked } = app();
  const answer = await get('?q=needle');
  expect(answer.status).toBe(200);
  const found = {
    ...{
      type: 'command.output',
      time,
      projectId: mine,
      taskId: null,
      sessionId: 'ses_1',
      turnId: null,
      commandId: 'cmd_1',
    },
    ...{ cursor: '10-11', stream: 'stderr', offset: 7, text: 'a needle', highlights: [{ from: 2, to: 8 }] },
  };
  expect(await answer.json()).toEqual({
    items: [found, { ...found, type: 'message.user', stream: null, offset: null }],
    nextCursor: 'more',
  });
  const session = newId('session');
  const filters = `projectId=${mine}&sessionId=${session}&types=message.user,%20reasoning&from=2026-11-01T00:00:00Z`;
  expect((await get(`?q=%22a%20b%22&limit=5&cursor=more&${filters}`)).status).toBe(200);
  expect(asked).toMatchObject([
    { organizationId: 'org_1', q: 'needle', projectId: '', sessionId: '', types: searchedTypes, limit: 20, cursor: '' },
    { q: '"a b"', projectId: mine, sessionId: session, types: ['message.user', 'reasoning'], limit: 5, cursor: 'more' },
  ]);
});

test.each([
  ['', 422, 'q'],
  ['?q=%20!', 422, 'q'],
  [`?q=${'x'.repeat(501)}`, 422, 'q'],
  ['?q=x&types=message.user,tool.started', 422, 'types'],
  ['?q=x&limit=101', 422, 'limit'],
  ['?q=x&sessionId=ses_x', 422, 'sessionId'],
  ['?q=x&from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z', 422, 'to'],
  [`?q=x&projectId=${newId('project')}`, 404, undefined],
])('%s is refused before anything is searched', async (query, status, path) => {
  const { get, asked } = app();
  const answer = await get(query);
  expect(answer.status).toBe(status);
  expect(((await answer.json()) as { errors?: { path: string }[] }).errors?.[0]?.path).toBe(path);
  expect(asked).toEqual([]);
});

test.each([
  [Code.InvalidArgument, 422, 'validation_failed'],
  [Code.ResourceExhausted, 422, 'validation_failed'],
  [Code.OutOfRange, 400, 'cursor_invalid'],
  [Code.Aborted, 429, 'rate_limited'],
  [Code.Unavailable, 503, 'dependency_unavailable'],
])('what the trace-store answers with %i is %i %s', async (code, status, name) => {
  const answer = await app(() => Promise.reject(new ConnectError('no', code))).get('?q=needle');
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ code: name });
});
