// The runners that are alive, and what they are told: to drain.
//
// 1. A runner is the cluster's, not an organization's: every key with the scope `read` sees it.
// 2. A key with `admin` drains it unless it has sessions of other organizations; the operator's token always does (decision 16).
// 3. The order is kept while the runner is away, and is audited where the key belongs; the operator's with those whose sessions are there.

import { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import type { RunnerDocument, RunnerOrder } from '@worktrail/contract/documents';
import type { Audit } from '../audit.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { pageOf, pageQuery } from '../pagination.ts';
import { notFound } from '../problem.ts';
import type { LiveSessions, SessionCensus } from '../sessions/session-census.ts';
import { time } from '../text.ts';
import type { RunnerOrders } from './runner-orders.ts';
import type { RunnerView } from './runner-view.ts';

const tag = 'Operation';
/** Safe as a key of a bucket. */
const runnerId = z.string().regex(/^[\w-]{1,64}$/);

const runnerSchema = z
  .object({
    id: runnerId,
    startedAt: time,
    version: z.string(),
    labels: z.record(z.string(), z.string()),
    slots: z.object({
      total: z.int(),
      used: z.int(),
      memoryMb: z
        .object({ total: z.int().nullable(), used: z.int() })
        .openapi({ description: 'What its sandboxes may use together by their environments; total null: no bound.' }),
    }),
    sessions: z.int().openapi({ description: 'Live sessions that are placed there and not hibernated.' }),
    draining: z.boolean().openapi({ description: 'It is told to take no session and to hibernate its own.' }),
    unavailable: z
      .string()
      .nullable()
      .openapi({ description: 'The part whose absence keeps it from making sandboxes: docker or disk.' }),
  })
  .openapi('Runner');

const orderSchema = z
  .object({
    runnerId,
    draining: z.boolean(),
    by: z.string().openapi({ description: 'The principal whose order it is.' }),
    at: time,
  })
  .openapi('RunnerOrder');

const drainSchema = z
  .strictObject({ undo: z.boolean().default(false).openapi({ description: 'Take sessions again.' }) })
  .openapi('DrainRunner');

export interface RunnerRouteDeps {
  runners: RunnerView;
  orders: RunnerOrders;
  census: Pick<SessionCensus, 'live'>;
  audit: Audit;
}

export function addRunnerRoutes(api: Api, deps: RunnerRouteDeps): void {
  addList(api, deps);
  addDrain(api, deps);
}

function addList(api: Api, { runners, orders, census }: RunnerRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/runners',
      tag,
      summary: 'The runners that are alive',
      action: 'runner.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(runnerSchema) } },
    },
    async ({ query }) => {
      const all = (await runners.list()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const rest = all.filter((runner) => query.cursor === undefined || runner.id > query.cursor);
      const page = rest.slice(0, query.limit);
      const nextCursor = rest.length > page.length ? page.at(-1)!.id : null;
      const [sessions, found] = await Promise.all([census.live(), Promise.all(page.map(({ id }) => orders.find(id)))]);
      const counts = sessionsByRunner(sessions);
      const items = page.map((runner, index) => runnerJson(runner, counts.get(runner.id) ?? 0, found[index]));
      return json(200, { items, nextCursor });
    },
  );
}

function runnerJson(runner: RunnerDocument, sessions: number, order: RunnerOrder | undefined) {
  const { id, startedAt, version, labels, slots, unavailable } = runner;
  return {
    ...{ id, startedAt, version, labels, slots, sessions },
    draining: order?.draining ?? false,
    unavailable: unavailable?.part ?? null,
  };
}

/** How many sessions each runner has, but for those that sleep. */
export function sessionsByRunner(live: LiveSessions): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { runnerId: id, state } of live.values()) {
    if (id !== null && state !== 'hibernated') counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Of the sessions on a runner, but for those that sleep. */
function organizationsOn(runnerId: string, live: LiveSessions): Set<string> {
  const there = [...live.values()].filter((session) => session.runnerId === runnerId && session.state !== 'hibernated');
  return new Set(there.map(({ organizationId }) => organizationId));
}

function addDrain(api: Api, { runners, orders, census, audit }: RunnerRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/runners/{runnerId}/drain',
      tag,
      summary:
        'Tell a runner to take no session and to hibernate its own as they become idle; or to take sessions again',
      action: 'runner.drain',
      orOperator: true,
      params: z.object({ runnerId }),
      body: drainSchema,
      answers: { 200: { description: 'The order, which the runner follows from now on', schema: orderSchema } },
    },
    async (request) => {
      const { principal, params, body, draw } = request;
      const isAlive = (await runners.list()).some(({ id }) => id === params.runnerId);
      if (!isAlive && !(await orders.find(params.runnerId))) {
        throw notFound(`runner ${params.runnerId}`);
      }
      const organizations = organizationsOn(params.runnerId, await census.live());
      const isOperator = principal.kind === 'operator';
      if (!isOperator && [...organizations].some((other) => other !== principal.organizationId)) {
        throw new WorktrailError(
          'scope_missing',
          `${params.runnerId} has sessions of other organizations: only the operator's token tells it to drain`,
        );
      }
      const order: RunnerOrder = {
        runnerId: params.runnerId,
        draining: !body.undo,
        by: principal.id,
        at: new Date(draw.timeMs).toISOString(),
      };
      await orders.give(order);
      const action = order.draining ? 'runner.drained' : 'runner.undrained';
      for (const organizationId of isOperator ? organizations : [principal.organizationId]) {
        await audit.record(request, { organizationId, action, resourceId: order.runnerId, detail: {} });
      }
      return json(200, order);
    },
  );
}
