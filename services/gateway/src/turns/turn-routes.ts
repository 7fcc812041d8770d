// Messages to the agent of a session, and the turns that they begin.

import { z } from '@hono/zod-openapi';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  cancelTurn,
  type CancelTurnRequest,
  sendMessage,
  type TurnAccepted,
  type TurnCanceled,
  type TurnSpec,
} from '@worktrail/contract/turns';
import type { TurnRecord } from '@worktrail/proto/trace';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { type RunnerControl, tellCanceled } from '../commands/runner-control.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import { notFound } from '../problem.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { refuseClosed, updateSession } from '../sessions/session-update.ts';
import { id, time } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { agentSchema, agentSpec } from './agent-schema.ts';
import { messageText } from './message-text.ts';
import { pendingPermissions, permissionSchema } from './permission-routes.ts';

const tag = 'Turns';
const session = z.object({ sessionId: id('session') });

const messageSchema = z.strictObject({ text: messageText, agent: agentSchema.optional() }).openapi('CreateMessage');

export const turnSchema = z
  .object({
    id: id('turn'),
    sessionId: id('session'),
    text: z.string(),
    state: z.enum(['queued', 'running', 'ended']),
    outcome: z.enum(['completed', 'canceled', 'failed', 'limit_reached']).nullable(),
    reason: z.string().optional(),
    usage: z
      .object({
        steps: z.int(),
        inputTokens: z.int(),
        outputTokens: z.int(),
        cachedInputTokens: z.int(),
        costUsd: z.number(),
      })
      .nullable(),
    permissions: z
      .array(permissionSchema)
      .optional()
      .openapi({ description: 'Of one turn that is asked for: what waits for an answer.' }),
    queuedAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .openapi('Turn');

export interface TurnRouteDeps {
  sessions: SessionReader;
  runners: RunnerView;
  workflows: WorkflowClient;
  trace: Pick<TraceClient, 'listTurns'>;
  control: RunnerControl;
  operator: Pick<OperatorConfig, 'model' | 'defaults'>;
}

export function addTurnRoutes(api: Api, deps: TurnRouteDeps): void {
  addMessages(api, deps);
  addReading(api, deps);
  addCancel(api, deps);
}

function addMessages(api: Api, deps: TurnRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/messages',
      tag,
      summary: 'Say something to the agent',
      action: 'turn.create',
      params: session,
      body: messageSchema,
      answers: {
        202: {
          description: 'Queued: it is answered in a turn',
          schema: z.object({ turnId: id('turn') }).openapi('MessageTaken'),
        },
      },
    },
    async ({ principal, params: { sessionId }, body, draw }) => {
      const { document } = await deps.sessions.open(principal, sessionId, 'turn.create');
      await refuseClosed(deps.sessions, document);
      if (document.state === 'hibernated') await deps.runners.checkPlaceable();
      const spec: TurnSpec = {
        id: draw.id('turn'),
        text: body.text,
        agent: agentSpec(body.agent, deps.operator),
        actor: { kind: 'user', id: principal.id },
        queuedAt: new Date(draw.timeMs).toISOString(),
      };
      await updateSession<TurnAccepted>(deps, document, sendMessage, [spec], { updateId: spec.id });
      return json(202, { turnId: spec.id });
    },
  );
}

function addReading(api: Api, { sessions, trace, workflows }: TurnRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/turns',
      tag,
      summary: 'Turns of a session, oldest first',
      action: 'turn.read',
      params: session,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(turnSchema) } },
    },
    async ({ principal, params, query }) => {
      const { scope } = await sessions.open(principal, params.sessionId, 'turn.read');
      const afterTurnId = cursorId(query.cursor, 'turn') ?? '';
      const page = await askTraceStore(() => trace.listTurns({ scope, limit: query.limit, afterTurnId }));
      const items = page.turns.map(turnJson);
      return json(200, { items, nextCursor: page.more ? (items.at(-1)?.id ?? null) : null });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/turns/{turnId}',
      tag,
      summary: 'A turn',
      action: 'turn.read',
      params: session.extend({ turnId: id('turn') }),
      answers: { 200: { description: 'The turn', schema: turnSchema } },
    },
    async ({ principal, params: { sessionId, turnId } }) => {
      const { scope } = await sessions.open(principal, sessionId, 'turn.read');
      const turn = turnJson(await readTurn(trace, scope, turnId));
      const permissions = turn.state === 'running' ? await pendingPermissions(workflows, sessionId, turnId) : [];
      return json(200, { ...turn, ...(permissions && { permissions }) });
    },
  );
}

/** @throws not_found */
async function readTurn(
  trace: TurnRouteDeps['trace'],
  scope: Parameters<TurnRouteDeps['trace']['listTurns']>[0]['scope'],
  turnId: string,
): Promise<TurnRecord> {
  const { turns } = await askTraceStore(() => trace.listTurns({ scope, limit: 1, turnId }));
  if (!turns[0]) throw notFound(turnId);
  return turns[0];
}

function addCancel(api: Api, { sessions, workflows, trace, control, operator }: TurnRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/turns/{turnId}/cancel',
      tag,
      summary: 'Stop a turn: the model, and what its tools run',
      action: 'turn.create',
      params: session.extend({ turnId: id('turn') }),
      answers: {
        202: {
          description: 'It is being stopped, or has ended',
          schema: z.object({ accepted: z.boolean() }).openapi('TurnCanceled'),
        },
      },
    },
    async ({ principal, params: { sessionId, turnId } }) => {
      const { document, scope } = await sessions.open(principal, sessionId, 'turn.create');
      const request: CancelTurnRequest = { turnId, reason: 'requested' };
      const deps = { sessions, workflows };
      const { accepted, commands } = await updateSession<TurnCanceled>(deps, document, cancelTurn, [request]);
      if (!accepted) await readTurn(trace, scope, turnId);
      const { organizationId, runnerId } = document;
      const graceSeconds = operator.defaults.cancelGraceSeconds;
      const told = commands.map((commandId) =>
        tellCanceled(
          control,
          runnerId,
          { organizationId, sessionId, commandId },
          { graceSeconds, reason: 'turn_canceled' },
        ),
      );
      await Promise.all(told);
      return json(202, { accepted });
    },
  );
}

function turnJson(record: TurnRecord): z.output<typeof turnSchema> {
  const { ended, startedAt, endedAt, queuedAt } = record;
  const { steps = 0, inputTokens = 0, outputTokens = 0, cachedInputTokens = 0, costUsd = 0 } = ended?.usage ?? {};
  return {
    id: record.turnId,
    sessionId: record.sessionId,
    text: record.text,
    state: ended ? 'ended' : startedAt ? 'running' : 'queued',
    outcome: (ended?.outcome ?? null) as z.output<typeof turnSchema>['outcome'],
    ...(ended?.reason && { reason: ended.reason }),
    usage: ended ? { steps, inputTokens, outputTokens, cachedInputTokens, costUsd } : null,
    queuedAt: (queuedAt ? timestampDate(queuedAt) : new Date(0)).toISOString(),
    startedAt: startedAt ? timestampDate(startedAt).toISOString() : null,
    endedAt: endedAt ? timestampDate(endedAt).toISOString() : null,
  };
}
