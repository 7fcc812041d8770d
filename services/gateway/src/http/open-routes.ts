// What needs no key: health, metrics, the description of the API.

import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Metrics } from '@worktrail/runtime/metrics';
import type { Readiness } from '@worktrail/runtime/readiness';
import { docsPage } from './docs-page.ts';
import { openApiDocument } from './openapi.ts';

export function addHealthRoutes(
  app: OpenAPIHono,
  { readiness, metrics }: { readiness: Readiness; metrics: Metrics },
): void {
  app.get('/healthz', () => Response.json({ status: 'ok' }));
  app.get('/readyz', async () => {
    const report = await readiness.report();
    return Response.json(report, {
      status: report.ready ? 200 : 503,
      headers: { 'cache-control': 'no-store', ...(!report.ready && { 'retry-after': '2' }) },
    });
  });
  app.get(
    '/metrics',
    async () => new Response(await metrics.metrics(), { headers: { 'content-type': metrics.contentType } }),
  );
}

/** After every other route: the document tells of those that are there. */
export function addDescriptionRoutes(app: OpenAPIHono): void {
  const document = openApiDocument(app);
  const json = JSON.stringify(document);
  const page = docsPage(document);
  app.get('/v1/openapi.json', () => new Response(json, { headers: { 'content-type': 'application/json' } }));
  app.get('/docs', () => new Response(page, { headers: { 'content-type': 'text/html; charset=utf-8' } }));
}
