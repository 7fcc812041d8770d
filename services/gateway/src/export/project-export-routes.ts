// GET /v1/projects/{projectId}/export: what a project has in a time, as Parquet files, part after part.

import { createHash } from 'node:crypto';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { z } from '@hono/zod-openapi';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Api } from '../http/api.ts';
import { datesOf, timeRange } from '../http/query-time.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import { id } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';

const partTimeoutMs = 70_000;
const parquetType = 'application/vnd.apache.parquet';

export interface ProjectExportRouteDeps {
  projects: Pick<ProjectReader, 'open'>;
  trace: Pick<TraceClient, 'exportPart'>;
}

export function addProjectExportRoutes(api: Api, { projects, trace }: ProjectExportRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/projects/{projectId}/export',
      tag: 'Analytics',
      summary: 'A part of what a project has in a time, as a Parquet file',
      action: 'trace.query',
      params: z.object({ projectId: id('project') }),
      query: z.object({
        format: z.enum(['parquet']).default('parquet'),
        of: z
          .enum(['events', 'command_output'])
          .default('events')
          .openapi({ description: 'As the view of that name.' }),
        ...timeRange,
        after: z.string().max(2_000).optional().openapi({ description: 'The `X-Next` of the part before.' }),
      }),
      answers: {
        200: {
          description:
            '`X-Rows`: how many it has. `X-Sha256`: of its bytes. `X-Next`: where the next part begins; without it there is none.',
          contentTypes: [parquetType],
        },
      },
    },
    async ({ principal, params: { projectId }, query, signal }) => {
      const { from, to } = datesOf(query);
      await projects.open(principal, projectId, 'trace.query');
      const question = {
        ...{ organizationId: principal.organizationId, projectId, of: query.of, after: query.after ?? '' },
        ...(from && { from: timestampFromDate(from) }),
        ...(to && { to: timestampFromDate(to) }),
      };
      const { parquet, rows, next } = await askTraceStore(
        () => trace.exportPart(question, { signal, timeoutMs: partTimeoutMs }),
        {
          timeoutMs: partTimeoutMs,
          field: 'after',
          refusals: {
            [Code.InvalidArgument]: 'validation_failed',
            [Code.Aborted]: 'rate_limited',
            [Code.ResourceExhausted]: 'validation_failed',
          },
        },
      );
      const headers = {
        'content-type': parquetType,
        'x-rows': String(rows),
        'x-sha256': createHash('sha256').update(parquet).digest('hex'),
        ...(next !== '' && { 'x-next': next }),
      };
      return { status: 200, headers, body: parquet as Uint8Array<ArrayBuffer> };
    },
  );
}
