// Bringing the newest default branch into a session: merged, or rebased onto it. Conflicts are listed and left to the session.

import { z } from '@hono/zod-openapi';
import {
  updateSession as updateMessage,
  type UpdateDocument,
  type UpdateSessionRequest,
} from '@worktrail/contract/session-messages';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { sessionSchema } from './schemas.ts';
import type { SessionReader } from './session-reader.ts';
import { refuseClosed, updateSession } from './session-update.ts';
import type { SessionView } from './session-view.ts';

const updatedSchema = sessionSchema
  .extend({
    outcome: z.enum(['up_to_date', 'updated', 'conflicts']).openapi({
      description: '`conflicts`: half done. The session ends it by a commit, `git rebase --continue`, or a revert.',
    }),
    commit: z.string().openapi({ description: 'The newest of the default branch, which was brought in.' }),
    conflicts: z.array(z.string()).openapi({ description: 'Paths; at most 300 are listed.' }),
  })
  .openapi('UpdatedSession');

const updateSchema = z
  .strictObject({ method: z.enum(['merge', 'rebase']).default('merge') })
  .openapi('UpdateSessionFromMain');

export interface UpdateRouteDeps {
  sessions: SessionReader;
  view: SessionView;
  runners: RunnerView;
  workflows: WorkflowClient;
}

export function addUpdateRoutes(api: Api, { sessions, view, runners, workflows }: UpdateRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/update',
      tag: 'Sessions',
      summary: 'Bring the newest default branch into the session',
      action: 'session.bring_main',
      params: z.object({ sessionId: id('session') }),
      body: updateSchema,
      answers: { 200: { description: 'Brought in, there already, or with conflicts', schema: updatedSchema } },
    },
    async ({ principal, params: { sessionId }, body: { method }, draw, retried }) => {
      const { document } = await sessions.open(principal, sessionId, 'session.bring_main');
      await refuseClosed(sessions, document);
      if (document.state === 'hibernated') await runners.checkPlaceable();
      else await runners.checkAlive();
      // An update that was refused answers so for ever: a repetition is another one, which finds what the first one did.
      const updateId = `update-${draw.bytes('update').toString('hex').slice(0, 32)}`;
      const request: UpdateSessionRequest = { updateId, method, by: { kind: 'user', id: principal.id } };
      const options = { takesLong: true, ...(!retried && { updateId }) };
      const updated = await updateSession<UpdateDocument>(
        { sessions, workflows },
        document,
        updateMessage,
        [request],
        options,
      );
      const { outcome, commit, conflicts } = updated;
      return json(200, { ...(await view.json(updated.document)), outcome, commit, conflicts });
    },
  );
}
