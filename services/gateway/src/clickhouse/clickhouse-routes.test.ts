import { Code, ConnectError } from '@connectrpc/connect';
import { createLogger } from '@worktrail/runtime/log';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { addClickHouseRoutes } from './clickhouse-routes.ts';

const principal = { organizationId: 'org_1', principalId: 'prn_1', keyId: 'key_1', scopes: ['read'] };

test.each([
  [Code.Aborted, 429, '202', 'TOO_MANY_SIMULTANEOUS_QUERIES'],
  [Code.Unavailable, 503, '279', 'ALL_CONNECTION_TRIES_FAILED'],
])('what can be asked again (%i) is refused with %i, and says when', async (code, status, exception, name) => {
  const app = new Hono();
  const next = () => Promise.reject(new ConnectError('all places for SQL are taken', code));
  addClickHouseRoutes({ app } as never, {
    gate: { authenticate: async () => principal } as never,
    trace: { queryStream: () => ({ [Symbol.asyncIterator]: () => ({ next }) }) } as never,
    metrics: { observe: () => {} } as never,
    log: createLogger({ service: 'test', level: 'silent' }),
  });
  const response = await app.request('/v1/clickhouse/', { method: 'POST', body: 'SELECT 1' });
  expect(response.status).toBe(status);
  expect(response.headers.get('retry-after')).toBe('2');
  expect(response.headers.get('x-clickhouse-exception-code')).toBe(exception);
  expect(await response.text()).toMatch(new RegExp(`^Code: ${exception}\\. DB::Exception: .* \\(${name}\\)\\n$`));
});
