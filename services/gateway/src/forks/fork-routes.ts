// Forks of a session: new sessions with its files and history as at a checkpoint.

import { z } from '@hono/zod-openapi';
import type { SessionDocument } from '@worktrail/contract/documents';
import { forksMax } from '@worktrail/contract/forks';
import { limits } from '@worktrail/contract/limits';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { sessionSchema } from '../sessions/schemas.ts';
import type { SessionView } from '../sessions/session-view.ts';
import { id } from '../text.ts';
import { type ForkDeps, makeForks } from './make-forks.ts';

const forkSchema = z
  .strictObject({
    checkpointId: id('checkpoint')
      .optional()
      .openapi({ description: "One of the session's; without it, the newest: what has just ended is waited for." }),
    count: z.int().min(1).max(forksMax).default(1).openapi({ description: 'How many sessions are made.' }),
  })
  .openapi('ForkSession');

export interface ForkRouteDeps extends ForkDeps {
  view: SessionView;
}

export function addForkRoutes(api: Api, deps: ForkRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/fork',
      tag: 'Files',
      summary: 'Make sessions of their own with the files and history of this one; hibernated until first used',
      action: 'session.fork',
      params: z.object({ sessionId: id('session') }),
      body: forkSchema,
      answers: { 201: { description: 'Made', schema: z.object({ items: z.array(sessionSchema) }) } },
    },
    async ({ principal, params: { sessionId }, body, draw, retried, signal }) => {
      const parent = await deps.sessions.open(principal, sessionId, 'session.fork');
      const { taskId, labels } = parent.document;
      const forks = Array.from({ length: body.count }, (_, index) => ({
        title: forkTitle(parent.document, body.count === 1 ? '' : ` ${index + 1}`),
        ...{ taskId, trialId: null, env: {}, labels },
      }));
      const { checkpointId } = body;
      const request = { principal, draw, retried, signal, parent, checkpointId, field: 'checkpointId', forks };
      const made = await makeForks(deps, request);
      return json(201, { items: await Promise.all(made.map((document) => deps.view.json(document))) });
    },
  );
}

export function forkTitle({ title }: Pick<SessionDocument, 'title'>, which = ''): string {
  return `fork${which} of ${title}`.slice(0, limits.nameLengthMax).toWellFormed();
}
