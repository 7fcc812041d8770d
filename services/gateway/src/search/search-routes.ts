// GET /v1/search: full text of what was said, run and printed in all sessions of the organization. The trace-store searches.

import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { z } from '@hono/zod-openapi';
import { Code } from '@connectrpc/connect';
import { formatCursor, toCursor } from '@worktrail/contract/cursor';
import {
  searchedTypes,
  type SearchedType,
  searchHitsDefault,
  searchHitsMax,
  searchQueryLengthMax,
} from '@worktrail/contract/search';
import type { SearchHit } from '@worktrail/proto/trace';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Api } from '../http/api.ts';
import { queryInteger } from '../http/query-number.ts';
import { datesOf, timeRange } from '../http/query-time.ts';
import { json } from '../http/reply.ts';
import { pageOf } from '../pagination.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import { id, text, time } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';

const searchTimeoutMs = 45_000;

const place = z.int().openapi({ description: 'In UTF-16 code units of `text`.' });

const hitSchema = z
  .object({
    type: z.enum(searchedTypes),
    time,
    projectId: z.string(),
    taskId: z.string().nullable(),
    sessionId: z.string(),
    turnId: z.string().nullable(),
    commandId: z.string().nullable(),
    cursor: z.string().openapi({ description: "Of the event in its session's history." }),
    stream: z.enum(['stdout', 'stderr']).nullable().openapi({ description: 'Of output.' }),
    offset: z.int().nullable().openapi({ description: "Of output: where the event's bytes begin in their stream." }),
    text: z
      .string()
      .openapi({ description: 'A piece of what was found, as it stands: it may have control characters.' }),
    highlights: z.array(z.object({ from: place, to: place.openapi({ description: 'Not included.' }) })),
  })
  .openapi('SearchHit');

const querySchema = z.object({
  q: text(searchQueryLengthMax)
    .refine((value) => /[\p{L}\p{N}]/u.test(value), 'must have a letter or digit')
    .openapi({
      description: 'Words, "phrases" and beginnings*, without regard to case: all of them are in what is found.',
      example: 'ENOENT "no such file" repos*',
    }),
  projectId: id('project').optional(),
  sessionId: id('session').optional(),
  taskId: id('task').optional(),
  types: z
    .string()
    .max(200)
    .default(searchedTypes.join(','))
    .transform((value) => value.split(',').map((one) => one.trim()))
    .refine((types): types is SearchedType[] => types.every((one) => searchedTypes.some((type) => type === one)), {
      message: `must be ${searchedTypes.join(', ')}, or several of them with commas`,
    })
    .openapi({ type: 'string', description: `${searchedTypes.join(', ')}; several with commas. Default: all.` }),
  ...timeRange,
  limit: queryInteger({ min: 1, max: searchHitsMax, byDefault: searchHitsDefault }),
  cursor: z.string().max(500).default('').openapi({ description: '`nextCursor` of the page before.' }),
});

export interface SearchRouteDeps {
  projects: Pick<ProjectReader, 'open'>;
  trace: Pick<TraceClient, 'search'>;
}

export function addSearchRoutes(api: Api, { projects, trace }: SearchRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/search',
      tag: 'Analytics',
      summary: 'Search what was said, run and printed in all sessions',
      action: 'trace.query',
      query: querySchema,
      answers: {
        200: {
          description:
            'The newest first; a page may have fewer than there are more of, or none, until `nextCursor` is null',
          schema: pageOf(hitSchema),
        },
      },
    },
    async ({ principal, query, signal }) => {
      const { q, projectId = '', sessionId = '', taskId = '', types, limit, cursor } = query;
      const { from, to } = datesOf(query);
      if (projectId !== '') await projects.open(principal, projectId, 'trace.query');
      const { organizationId } = principal;
      const question = {
        ...{ organizationId, q, projectId, sessionId, taskId, types, limit, cursor },
        ...(from && { from: timestampFromDate(from) }),
        ...(to && { to: timestampFromDate(to) }),
      };
      const { hits, next } = await askTraceStore(() => trace.search(question, { signal, timeoutMs: searchTimeoutMs }), {
        timeoutMs: searchTimeoutMs,
        field: 'q',
        refusals: {
          [Code.InvalidArgument]: 'validation_failed',
          [Code.ResourceExhausted]: 'validation_failed',
          [Code.OutOfRange]: 'cursor_invalid',
          [Code.Aborted]: 'rate_limited',
        },
      });
      return json(200, { items: hits.map(hitView), nextCursor: next === '' ? null : next });
    },
  );
}

function hitView(hit: SearchHit): z.infer<typeof hitSchema> {
  const { epoch, sequence, fill } = hit.cursor!;
  const isOutput = hit.type === 'command.output';
  return {
    type: hit.type as SearchedType,
    time: timestampDate(hit.time!).toISOString(),
    projectId: hit.projectId,
    taskId: hit.taskId || null,
    sessionId: hit.sessionId,
    turnId: hit.turnId || null,
    commandId: hit.commandId || null,
    cursor: formatCursor(toCursor(Number(epoch), Number(sequence), Number(fill))),
    stream: isOutput ? (hit.stream as 'stdout' | 'stderr') : null,
    offset: isOutput ? Number(hit.offset) : null,
    text: hit.text,
    highlights: hit.highlights.map(({ from, to }) => ({ from, to })),
  };
}
