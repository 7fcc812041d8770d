// GET /v1/analytics/…: reports over everything that the organization has stored. The trace-store counts.

import { z } from '@hono/zod-openapi';
import type { Api } from '../http/api.ts';
import { answerReport, intervals, type ReportDeps, reportFrame, reportQuery } from './report-query.ts';
import { type ReportSpec, reportSpecs } from './report-specs.ts';
import { time } from '../text.ts';

export function addAnalyticsRoutes(api: Api, deps: ReportDeps): void {
  for (const spec of reportSpecs) addReport(api, deps, spec);
}

function addReport(api: Api, deps: ReportDeps, spec: ReportSpec): void {
  const { name, summary, order, title, groups, key, columns } = spec;
  const groupBy = z.enum(groups);
  const offered: readonly (typeof intervals)[number][] = spec.interval === undefined ? ['none'] : intervals;
  const interval = z.enum(offered);
  const row = z.object({
    ...(spec.interval !== undefined && {
      start: time.optional().openapi({ description: 'Of its interval, where one is asked for.' }),
    }),
    key: z.string().openapi({ description: key }),
    ...columns,
  });
  const answer = z.object({ groupBy, interval, items: z.array(row), ...reportFrame }).openapi(title);
  api.route(
    {
      method: 'get',
      path: `/v1/analytics/${name}`,
      tag: 'Analytics',
      summary,
      action: 'trace.query',
      query: z.object({
        ...reportQuery,
        groupBy: groupBy.default(groups[0]).openapi({ description: 'What a row is of.' }),
        interval: interval.default(spec.interval ?? 'none').openapi({
          description: 'A row for each of them that is not empty, in UTC; `none`: of all of the time together.',
        }),
      }),
      answers: { 200: { description: `${order}; of intervals the newest`, schema: answer } },
    },
    async (request) => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: await answerReport(deps, name, request),
    }),
  );
}
