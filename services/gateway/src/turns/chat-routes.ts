// A chat: a session of a project that begins with a message to its agent, in one step.
//
// The message is part of what the session starts with. So there is no moment at which there is one without the other, and who asks again
// under the same key gets the same two, whoever died in between.

import { z } from '@hono/zod-openapi';
import type { TurnSpec } from '@worktrail/contract/turns';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Api } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import { json } from '../http/reply.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import { sessionSchema } from '../sessions/schemas.ts';
import { startSession, type StartSessionDeps } from '../sessions/session-routes.ts';
import type { SessionView } from '../sessions/session-view.ts';
import { id, name } from '../text.ts';
import { agentSchema, agentSpec } from './agent-schema.ts';
import { messageText } from './message-text.ts';
import { titleOf } from './message-title.ts';
import { turnSchema } from './turn-routes.ts';

const createChatSchema = z
  .strictObject({
    text: messageText,
    agent: agentSchema.optional(),
    title: name.optional().openapi({ description: "Of the session; without it, the message's first line." }),
  })
  .openapi('CreateChat');

const chatSchema = z
  .object({
    session: sessionSchema,
    turn: turnSchema.extend({ turnId: id('turn').openapi({ description: 'Its id, as a message is answered with.' }) }),
  })
  .openapi('Chat');

export interface ChatRouteDeps extends StartSessionDeps {
  projects: ProjectReader;
  runners: RunnerView;
  view: SessionView;
  operator: Pick<OperatorConfig, 'model'>;
}

export function addChatRoutes(api: Api, deps: ChatRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/projects/{projectId}/chats',
      tag: 'Turns',
      summary: 'Make a session and say something to its agent',
      action: 'session.create',
      params: z.object({ projectId: id('project') }),
      query: z.object({ waitSeconds: waitSeconds('Waits so long for the session to be ready or failed.') }),
      body: createChatSchema,
      answers: { 201: { description: 'Made; the message is answered once the session is ready', schema: chatSchema } },
    },
    async (request) => {
      const { principal, params, body, draw } = request;
      const project = await deps.projects.open(principal, params.projectId, 'session.create');
      const agent = agentSpec(body.agent, deps.operator);
      await deps.runners.checkPlaceable();
      const createdAt = new Date(draw.timeMs).toISOString();
      const firstMessage: TurnSpec = {
        id: draw.id('turn'),
        text: body.text,
        agent,
        actor: { kind: 'user', id: principal.id },
        queuedAt: createdAt,
      };
      const input = {
        sessionId: draw.id('session'),
        title: body.title ?? titleOf(body.text),
        ...{ taskId: null, trialId: null, baseRef: null, env: {}, labels: {}, createdAt },
      };
      const spec = { ...deps.projects.spec(input, project.value, principal), firstMessage };
      const session = await deps.view.json(await startSession(deps, request, spec));
      return json(201, { session, turn: queuedTurn(firstMessage, spec.sessionId) });
    },
  );
}

function queuedTurn({ id: turnId, text, queuedAt }: TurnSpec, sessionId: string) {
  return {
    ...{ turnId, id: turnId, sessionId, text, state: 'queued', outcome: null, usage: null, queuedAt },
    ...{ startedAt: null, endedAt: null },
  };
}
