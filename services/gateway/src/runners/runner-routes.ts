// The runners that are alive.

import { z } from '@hono/zod-openapi';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { pageOf, pageQuery } from '../pagination.ts';
import { time } from '../text.ts';
import type { RunnerView } from './runner-view.ts';

const runnerSchema = z
  .object({
    id: z.string(),
    startedAt: time,
    version: z.string(),
    labels: z.record(z.string(), z.string()),
    slots: z.object({ total: z.int(), used: z.int() }),
    unavailable: z
      .string()
      .nullable()
      .openapi({ description: 'The part whose absence keeps it from making sandboxes: docker or disk.' }),
  })
  .openapi('Runner');

export function addRunnerRoutes(api: Api, { runners }: { runners: RunnerView }): void {
  api.route(
    {
      method: 'get',
      path: '/v1/runners',
      tag: 'Operation',
      summary: 'The runners that are alive',
      action: 'runner.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(runnerSchema) } },
    },
    async ({ query }) => {
      const all = (await runners.list()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const rest = all.filter((runner) => query.cursor === undefined || runner.id > query.cursor);
      const items = rest.slice(0, query.limit);
      const nextCursor = rest.length > items.length ? items.at(-1)!.id : null;
      return json(200, {
        items: items.map(({ id, startedAt, version, labels, slots, unavailable }) => ({
          ...{ id, startedAt, version, labels, slots },
          unavailable: unavailable?.part ?? null,
        })),
        nextCursor,
      });
    },
  );
}
