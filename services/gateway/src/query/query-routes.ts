// POST /v1/query: one read-only SQL statement over the organization's own history. The trace-store confines it.
//
// JSON and documents are whole, or refused by the name of the limit that they are over. What comes row by row may end at a limit after it has
// begun: then its last line says so.

import { Code } from '@connectrpc/connect';
import { z } from '@hono/zod-openapi';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Api } from '../http/api.ts';
import { text } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import { openAnswer } from './query-answer.ts';
import { parameterText } from './query-parameters.ts';

const sqlLengthMax = 100_000;
const parametersMax = 100;
const queryTimeoutMs = 60_000;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const querySchema = z
  .strictObject({
    sql: text(sqlLengthMax).min(1),
    params: z
      .record(z.string().regex(/^[A-Za-z_]\w{0,63}$/), z.union([scalar, z.array(scalar)]))
      .refine((params) => Object.keys(params).length <= parametersMax, `has at most ${parametersMax} values`)
      .optional()
      .openapi({ description: 'Values of the {name:Type} in the statement.' }),
    format: z.enum(['json', 'jsonl', 'csv', 'parquet', 'arrow']).default('json'),
  })
  .openapi('Query');

const resultSchema = z
  .object({
    columns: z.array(z.string()),
    rows: z.array(z.record(z.string(), z.unknown())),
    truncated: z.boolean().openapi({ description: 'There are more rows than a result may have.' }),
  })
  .openapi('QueryResult');

/** Of what is not JSON; `cut` is its last line where rows were left out. */
const formats = {
  jsonl: {
    name: 'JSONEachRow',
    contentType: 'application/x-ndjson',
    cut: (limit: string) => `${JSON.stringify({ truncated: limit })}\n`,
  },
  csv: {
    name: 'CSVWithNames',
    contentType: 'text/csv; charset=utf-8',
    cut: (limit: string) => `# truncated: ${limit}\n`,
  },
  parquet: { name: 'Parquet', contentType: 'application/vnd.apache.parquet' },
  arrow: { name: 'Arrow', contentType: 'application/vnd.apache.arrow.file' },
} as const;

const refused = {
  field: 'sql',
  refusals: {
    [Code.Aborted]: 'rate_limited',
    [Code.InvalidArgument]: 'validation_failed',
    [Code.PermissionDenied]: 'validation_failed',
    [Code.ResourceExhausted]: 'validation_failed',
    [Code.DeadlineExceeded]: 'validation_failed',
  },
} as const;

export function addQueryRoutes(api: Api, { trace }: { trace: Pick<TraceClient, 'query' | 'queryStream'> }): void {
  api.route(
    {
      method: 'post',
      path: '/v1/query',
      tag: 'Analytics',
      summary: 'Ask the history in SQL',
      action: 'trace.query',
      body: querySchema,
      answers: {
        200: {
          description: 'Columns and rows, or the rows in the format that was asked for',
          schema: resultSchema,
          contentTypes: Object.values(formats).map(({ contentType }) => contentType),
        },
      },
      keepsNoAnswer: true,
    },
    async ({ principal, body, signal }) => {
      const { organizationId } = principal;
      const parameters = Object.fromEntries(
        Object.entries(body.params ?? {}).map(([name, value]) => [name, parameterText(value)]),
      );
      if (body.format !== 'json') {
        const { name, contentType, ...format } = formats[body.format];
        const question = { organizationId, sql: body.sql, format: name, parameters };
        const cut = 'cut' in format ? format.cut : undefined;
        // Who asks waits for as long as the statement may run; the trace-store ends it.
        const answer = await askTraceStore(() => openAnswer(trace, question, signal, cut), {
          ...{ timeoutMs: 610_000, ...refused },
        });
        return { status: 200, headers: { 'content-type': contentType }, body: answer.body };
      }
      const result = await askTraceStore(
        () => trace.query({ organizationId, sql: body.sql, parameters }, { signal, timeoutMs: queryTimeoutMs }),
        { timeoutMs: queryTimeoutMs, ...refused },
      );
      const columns = JSON.stringify(result.columns);
      const answer = `{"columns":${columns},"rows":${result.rowsJson || '[]'},"truncated":${result.truncated}}`;
      return { status: 200, headers: { 'content-type': 'application/json' }, body: answer };
    },
  );
}
