// Revert: a session's files as they were at one of its checkpoints.
//
// 1. One request is one revert, however often it is sent with its key: the checkpoint that the revert becomes is drawn from it.
// 2. It is answered once that checkpoint stands in the history. What takes longer than a request waits goes on without the asker.

import { z } from '@hono/zod-openapi';
import type { SessionDocument } from '@worktrail/contract/documents';
import {
  type RevertDocument,
  type RevertedFiles,
  revertSession,
  type RevertSessionRequest,
} from '@worktrail/contract/session-messages';
import { type EventScope, liveSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { History, PositionedEvent } from '../events/history.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { SessionFiles } from '../files/session-files.ts';
import { Problem } from '../problem.ts';
import { refuseClosed, updateSession } from '../sessions/session-update.ts';
import { id } from '../text.ts';
import { findCheckpoint, recordedCheckpoint } from './checkpoint-events.ts';
import { checkpointJson, checkpointSchema } from './checkpoint-json.ts';
import type { CheckpointRouteDeps } from './checkpoint-routes.ts';

const revertBody = z
  .strictObject({
    checkpointId: id('checkpoint'),
    force: z.boolean().default(false).openapi({ description: 'Cancels what runs first, with the reason `reverted`.' }),
  })
  .openapi('RevertSession');

const lines = (description: string) => z.array(z.string()).openapi({ description: `For people. ${description}` });

const revertSchema = checkpointSchema
  .extend({
    revertedTo: z.object({ id: id('checkpoint'), number: z.int() }),
    exact: z.boolean().openapi({ description: 'False where something has written to the work tree meanwhile.' }),
    notTouched: lines('What is in the work tree and in no checkpoint: ignored files, files over the limit.'),
    notRestored: lines('What the checkpoint itself was without.'),
    removed: lines('What no checkpoint has and is gone: it was ignored, and is not by the rules of the checkpoint.'),
  })
  .openapi('Revert', { description: 'The checkpoint that the revert is itself.' });

type Reverted = RevertedFiles & { exact: boolean; revertedTo: { id: string; number: number } };

export interface RevertRouteDeps extends CheckpointRouteDeps {
  files: Pick<SessionFiles, 'tree'>;
}

export function addRevertRoutes(api: Api, deps: RevertRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/revert',
      tag: 'Files',
      summary: 'Make files, branches and index as they were at a checkpoint; it can be reverted like any change',
      action: 'session.revert',
      params: z.object({ sessionId: id('session') }),
      body: revertBody,
      answers: { 200: { description: 'Reverted', schema: revertSchema } },
    },
    async ({ principal, params: { sessionId }, body, draw, retried, signal }) => {
      const session = await deps.sessions.open(principal, sessionId, 'session.revert');
      await refuseClosed(deps.sessions, session.document);
      const to = await deps.files.tree(session.document, body.checkpointId, 'checkpointId');
      if (!to) throw new Problem('not_found', `${sessionId} has no checkpoint ${body.checkpointId}`);
      // A session that sleeps is woken for it.
      if (session.document.state === 'hibernated') await deps.runners.checkPlaceable();
      else await deps.runners.checkAlive();
      const end = deps.followers.admit('waiters', session.scope.organizationId);
      const subscription = deps.live.subscribe(liveSubject(session.scope, sessionProducer));
      try {
        const checkpointId = draw.id('checkpoint');
        const before = retried ? await findRevert(deps.history, session.scope, checkpointId) : undefined;
        if (before) return json(200, revertJson(before.checkpoint, before.reverted));
        const after = retried ? undefined : await deps.position.lastCursor(session.scope);
        const actor = { kind: 'user' as const, id: principal.id };
        const request: RevertSessionRequest = { checkpointId, to, force: body.force, actor };
        const made = await revert(deps, session.document, request, retried);
        const until = AbortSignal.any([signal, deps.stopping]);
        const what = { scope: session.scope, checkpointId: made.checkpoint.id, after, signal: until };
        const revertedTo = { id: to.id, number: to.number };
        return json(200, revertJson(await recordedCheckpoint(deps, subscription, what), { ...made, revertedTo }));
      } finally {
        subscription.close();
        end();
      }
    },
  );
}

/** An update that was refused answers so for ever: a repetition is another one, which the workflow knows by the checkpoint's id. */
function revert(
  deps: CheckpointRouteDeps,
  document: SessionDocument,
  request: RevertSessionRequest,
  retried: boolean,
): Promise<RevertDocument> {
  const options = { takesLong: true, ...(!retried && { updateId: request.checkpointId }) };
  return updateSession<RevertDocument>(deps, document, revertSession, [request], options);
}

/** One that an earlier request made. A session's workflow forgets in time what it was asked; its history does not. */
async function findRevert(
  history: History,
  scope: EventScope,
  newCheckpointId: string,
): Promise<{ checkpoint: PositionedEvent; reverted: Reverted } | undefined> {
  const checkpoint = await findCheckpoint(history, scope, newCheckpointId, undefined);
  if (!checkpoint) return undefined;
  const page = await history.page(scope, { after: checkpoint.cursor, limit: 1, types: ['session.reverted'] });
  const payload = page.events[0]?.event.payload;
  if (payload?.case !== 'sessionReverted' || payload.value.newCheckpointId !== newCheckpointId) return undefined;
  const { checkpointId, checkpointNumber, exact, notTouched, notRestored, removed } = payload.value;
  const revertedTo = { id: checkpointId, number: checkpointNumber };
  return { checkpoint, reverted: { revertedTo, exact, notTouched, notRestored, removed } };
}

function revertJson(checkpoint: PositionedEvent, reverted: Reverted) {
  const { revertedTo, exact, notTouched, notRestored, removed } = reverted;
  return { ...checkpointJson(checkpoint), revertedTo, exact, notTouched, notRestored, removed };
}
