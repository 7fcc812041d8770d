// How long the organization's history is kept, and what of it went last.

import { timestampDate } from '@bufbuild/protobuf/wkt';
import { z } from '@hono/zod-openapi';
import type { RetentionState } from '@worktrail/proto/trace';
import {
  effectiveRetention,
  type RetentionDocument,
  type RetentionKind,
  retentionKey,
  retentionKinds,
} from '@worktrail/contract/retention';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Audit } from '../audit.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { invalid } from '../problem.ts';
import { time } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';

const tag = 'Analytics';
const path = '/v1/retention';
const daysMax = 36_500;
const days = z.int().min(1).max(daysMax).nullable();

const putSchema = z
  .strictObject({
    eventsDays: days.openapi({
      description: 'The history of an archived session, after its last event. null: for ever.',
    }),
    outputDays: days.openapi({ description: 'The output of a command that has ended. null: as long as its events.' }),
    auditDays: days,
  })
  .openapi('PutRetention');

const stateSchema = z.object({
  days: days.openapi({ description: 'In force: the organization’s, within the operator’s. null: for ever.' }),
  daysMax: days.openapi({ description: 'What the operator allows; null: any.' }),
  lastRun: z
    .object({ time, cutoff: time, removed: z.int().openapi({ description: 'Rows.' }) })
    .nullable()
    .openapi({ description: 'It is looked through once an hour.' }),
  oldest: time.nullable().openapi({ description: 'When the oldest that is kept was stored; null: there is nothing.' }),
});

const retentionSchema = z
  .object({ ...putSchema.shape, events: stateSchema, output: stateSchema, audit: stateSchema })
  .openapi('Retention');

export interface RetentionRouteDeps {
  store: ConfigurationStore;
  trace: Pick<TraceClient, 'getRetention'>;
  audit: Audit;
  operator: Pick<OperatorConfig, 'retention'>;
}

export function addRetentionRoutes(api: Api, deps: RetentionRouteDeps): void {
  const { store, audit, operator } = deps;
  api.route(
    {
      method: 'get',
      path,
      tag,
      summary: 'How long the history is kept, what went last, and the oldest that there is',
      action: 'retention.read',
      answers: { 200: { description: 'Of each kind', schema: retentionSchema } },
    },
    async ({ principal }) => json(200, await retentionOf(deps, principal.organizationId)),
  );
  api.route(
    {
      method: 'put',
      path,
      tag,
      summary: 'Say how long the history is kept: what is older goes within an hour, for good',
      action: 'retention.write',
      body: putSchema,
      answers: { 200: { description: 'Of each kind', schema: retentionSchema } },
    },
    async (request) => {
      const { organizationId } = request.principal;
      const { body, draw } = request;
      const tooLong = retentionKinds.flatMap((kind) => {
        const max = operator.retention[`${kind}DaysMax`];
        const asked = body[`${kind}Days`];
        if (max === null || asked === null || asked <= max) return [];
        return [{ path: `${kind}Days`, message: `is over ${max}, the most that the operator allows` }];
      });
      if (tooLong.length > 0) throw invalid(...tooLong);
      const document: RetentionDocument = { ...body, organizationId, updatedAt: new Date(draw.timeMs).toISOString() };
      await store.put(retentionKey(organizationId), document);
      await audit.record(request, {
        organizationId,
        action: 'retention.updated',
        resourceId: organizationId,
        detail: body,
      });
      return json(200, await retentionOf(deps, organizationId));
    },
  );
}

async function retentionOf({ store, trace, operator }: RetentionRouteDeps, organizationId: string) {
  const said = (await store.read<RetentionDocument>(retentionKey(organizationId)))?.value;
  const { kinds } = await askTraceStore(() => trace.getRetention({ organizationId }));
  const inForce = effectiveRetention(said, operator.retention);
  const stateOf = (kind: RetentionKind) => ({
    days: inForce[`${kind}Days`],
    daysMax: operator.retention[`${kind}DaysMax`],
    ...shown(kinds.find((state) => state.kind === kind)),
  });
  const { eventsDays = null, outputDays = null, auditDays = null } = said ?? {};
  return {
    ...{ eventsDays, outputDays, auditDays },
    ...{ events: stateOf('events'), output: stateOf('output'), audit: stateOf('audit') },
  };
}

function shown(state: RetentionState | undefined) {
  const iso = (at: RetentionState['oldest']) => (at ? timestampDate(at).toISOString() : null);
  const lastRun = state?.lastRun && {
    ...{ time: iso(state.lastRun), cutoff: iso(state.cutoff), removed: Number(state.removed) },
  };
  return { lastRun: lastRun ?? null, oldest: iso(state?.oldest) };
}
