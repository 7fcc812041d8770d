// GET /v1/analytics/…: reports over everything that the organization has stored. The trace-store counts.

import { z } from '@hono/zod-openapi';
import type { Api } from '../http/api.ts';
import { answerReport, type ReportDeps, reportFrame, reportQuery } from './report-query.ts';

const usageGroups = z.enum(['model', 'project', 'task', 'session', 'day']);

const usageSchema = z
  .object({
    groupBy: usageGroups,
    items: z.array(
      z.object({
        key: z.string().openapi({
          description: 'A name of a model, an id, or a day in UTC. Empty: it is not known, or for no task.',
        }),
        calls: z.int(),
        inputTokens: z.int(),
        outputTokens: z.int(),
        cachedInputTokens: z.int(),
        costUsd: z.number(),
      }),
    ),
    ...reportFrame,
  })
  .openapi('UsageReport');

export function addAnalyticsRoutes(api: Api, deps: ReportDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/analytics/usage',
      tag: 'Analytics',
      summary: 'Tokens and cost of the calls of models that were made or passed on',
      action: 'trace.query',
      query: z.object({ ...reportQuery, groupBy: usageGroups.default('model') }),
      answers: { 200: { description: 'What cost most first; of days the newest first', schema: usageSchema } },
    },
    async (request) => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: await answerReport(deps, 'usage', request),
    }),
  );
}
