// POST /v1/query: one read-only SQL statement over the organization's own history. The trace-store confines it.

import { Code } from '@connectrpc/connect';
import { z } from '@hono/zod-openapi';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Api } from '../http/api.ts';
import { text } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';

const sqlLengthMax = 100_000;
const queryTimeoutMs = 60_000;

const querySchema = z.strictObject({ sql: text(sqlLengthMax).min(1) }).openapi('Query');

const resultSchema = z
  .object({
    columns: z.array(z.string()),
    rows: z.array(z.record(z.string(), z.unknown())),
    truncated: z.boolean().openapi({ description: 'There are more rows than a result may have.' }),
  })
  .openapi('QueryResult');

export function addQueryRoutes(api: Api, { trace }: { trace: Pick<TraceClient, 'query'> }): void {
  api.route(
    {
      method: 'post',
      path: '/v1/query',
      tag: 'Analytics',
      summary: 'Ask the history in SQL',
      action: 'trace.query',
      body: querySchema,
      answers: { 200: { description: 'Columns and rows', schema: resultSchema } },
      keepsNoAnswer: true,
    },
    async ({ principal, body, signal }) => {
      const result = await askTraceStore(
        () =>
          trace.query(
            { organizationId: principal.organizationId, sql: body.sql },
            { signal, timeoutMs: queryTimeoutMs },
          ),
        {
          timeoutMs: queryTimeoutMs,
          field: 'sql',
          refusals: {
            [Code.Aborted]: 'rate_limited',
            [Code.InvalidArgument]: 'validation_failed',
            [Code.PermissionDenied]: 'validation_failed',
            [Code.ResourceExhausted]: 'validation_failed',
            [Code.DeadlineExceeded]: 'validation_failed',
          },
        },
      );
      const columns = JSON.stringify(result.columns);
      const answer = `{"columns":${columns},"rows":${result.rowsJson || '[]'},"truncated":${result.truncated}}`;
      return { status: 200, headers: { 'content-type': 'application/json' }, body: answer };
    },
  );
}
