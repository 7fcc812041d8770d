// What needs no key: health, metrics, the description of the API.

import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Metrics } from '@worktrail/runtime/metrics';
import type { Readiness } from '@worktrail/runtime/readiness';
import { docsPage } from './docs-page.ts';
import { openApiDocument } from './openapi.ts';
import { requestIdOf } from './request-id.ts';

export function addHealthRoutes(
  app: OpenAPIHono,
  { readiness, metrics }: { readiness: Readiness; metrics: Metrics },
): void {
  app.get('/healthz', ({ req }) => Response.json({ status: 'ok' }, { headers: requestId(req.raw) }));
  app.get('/readyz', async ({ req }) => {
    const report = await readiness.report();
    return Response.json(report, {
      status: report.ready ? 200 : 503,
      headers: { ...requestId(req.raw), 'cache-control': 'no-store', ...(!report.ready && { 'retry-after': '2' }) },
    });
  });
  app.get(
    '/metrics',
    async ({ req }) =>
      new Response(await metrics.metrics(), {
        headers: { ...requestId(req.raw), 'content-type': metrics.contentType },
      }),
  );
}

/** After every other route: the document tells of those that are there. */
export function addDescriptionRoutes(app: OpenAPIHono): void {
  const document = openApiDocument(app);
  const json = JSON.stringify(document);
  const page = docsPage(document);
  const answer = (request: Request, body: string, contentType: string) =>
    new Response(body, { headers: { ...requestId(request), 'content-type': contentType } });
  app.get('/v1/openapi.json', ({ req }) => answer(req.raw, json, 'application/json'));
  app.get('/docs', ({ req }) => answer(req.raw, page, 'text/html; charset=utf-8'));
}

function requestId({ headers }: Request): { 'x-request-id': string } {
  return { 'x-request-id': requestIdOf(headers) };
}
