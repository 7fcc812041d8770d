import { OpenAPIHono } from '@hono/zod-openapi';
import { createMetrics } from '@worktrail/runtime/metrics';
import { createReadiness } from '@worktrail/runtime/readiness';
import { expect, test } from 'vitest';
import { addDescriptionRoutes, addHealthRoutes } from './open-routes.ts';

const app = new OpenAPIHono();
addHealthRoutes(app, { readiness: createReadiness(), metrics: createMetrics('test') });
addDescriptionRoutes(app);

test.each(['/healthz', '/readyz', '/metrics', '/docs', '/v1/openapi.json'])(
  '%s needs no key and carries a request id',
  async (path) => {
    const answer = await app.request(path);
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
    const own = await app.request(path, { headers: { 'x-request-id': 'mine-1' } });
    expect(own.headers.get('x-request-id')).toBe('mine-1');
  },
);
