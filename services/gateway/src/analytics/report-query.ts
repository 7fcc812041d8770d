// What every report takes: from when, until when, of which project, how many rows.

import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { z } from '@hono/zod-openapi';
import { Code } from '@connectrpc/connect';
import { limits } from '@worktrail/contract/limits';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Principal } from '../authorize.ts';
import { queryInteger } from '../http/query-number.ts';
import { datesOf, timeRange } from '../http/query-time.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import { id, text, time } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';

export const intervals = ['none', 'hour', 'day', 'week', 'month'] as const;
const rowsMax = 1_000;
const reportTimeoutMs = 45_000;
export const reportQuery = {
  ...timeRange,
  projectId: id('project').optional(),
  label: text(limits.nameLengthMax * 2)
    .regex(/^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}(=|$)/, 'must be the name of a label, or name=value')
    .optional()
    .openapi({
      description: 'Only of sessions that were made with this label: `name`, or `name=value`.',
      example: 'team=core',
    }),
  limit: queryInteger({ min: 1, max: rowsMax, byDefault: rowsMax, description: 'Rows.' }),
};

interface ReportQuery {
  from?: string | undefined;
  to?: string | undefined;
  projectId?: string | undefined;
  label?: string | undefined;
  groupBy: string;
  interval: (typeof intervals)[number];
  limit: number;
}

/** What every report answers beside its rows. */
export const reportFrame = {
  from: time.nullable(),
  to: time.nullable(),
  truncated: z.boolean().openapi({ description: 'There are more rows than an answer may have.' }),
};

export interface ReportDeps {
  projects: Pick<ProjectReader, 'open'>;
  trace: Pick<TraceClient, 'report'>;
}

/** What is too much to be counted in time may be asked for a shorter one. */
const refused = {
  field: 'from',
  refusals: { [Code.Aborted]: 'rate_limited', [Code.ResourceExhausted]: 'validation_failed' },
} as const;

/** The body of the answer. @throws validation_failed, not_found, rate_limited, dependency_unavailable */
export async function answerReport(
  { projects, trace }: ReportDeps,
  name: string,
  { principal, query, signal }: { principal: Principal; query: ReportQuery; signal: AbortSignal },
): Promise<string> {
  const { groupBy, interval, limit, projectId } = query;
  const { from, to } = datesOf(query);
  if (projectId !== undefined) await projects.open(principal, projectId, 'trace.query');
  const question = {
    ...{ organizationId: principal.organizationId, name, groupBy, interval, limit, projectId: projectId ?? '' },
    ...(query.label !== undefined && { label: labelOf(query.label) }),
    ...(from && { from: timestampFromDate(from) }),
    ...(to && { to: timestampFromDate(to) }),
  };
  const { rowsJson, truncated } = await askTraceStore(
    () => trace.report(question, { signal, timeoutMs: reportTimeoutMs }),
    { timeoutMs: reportTimeoutMs, ...refused },
  );
  const frame = { from: from?.toISOString() ?? null, to: to?.toISOString() ?? null, groupBy, interval };
  return `${JSON.stringify(frame).slice(0, -1)},"items":${rowsJson},"truncated":${truncated}}`;
}

function labelOf(text: string): { name: string; value?: string } {
  const at = text.indexOf('=');
  return at < 0 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) };
}
