// Checkpoints of a session: make one now, list them.
//
// 1. One request makes one checkpoint, however often it is sent with its key: the checkpoint's id is drawn from it.
// 2. It is answered once it is stored and stands in the history.

import { z } from '@hono/zod-openapi';
import type { CheckpointDocument } from '@worktrail/contract/documents';
import { type Cursor, formatCursor, parseCursor } from '@worktrail/contract/cursor';
import { createCheckpoint, type CreateCheckpointRequest } from '@worktrail/contract/session-messages';
import { liveSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { Draw } from '../draw.ts';
import type { PositionedEvent } from '../events/history.ts';
import type { LiveSubscriber, LiveSubscription } from '../events/live-subscription.ts';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { pageOf, pageQuery } from '../pagination.ts';
import { Problem } from '../problem.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { OpenedSession, SessionReader } from '../sessions/session-reader.ts';
import { refuseClosed, updateSession } from '../sessions/session-update.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { type CheckpointEventDeps, checkpointTypes, findCheckpoint, recordedCheckpoint } from './checkpoint-events.ts';
import { checkpointJson, checkpointSchema, createCheckpointSchema } from './checkpoint-json.ts';

const tag = 'Files';
const path = '/v1/sessions/{sessionId}/checkpoints';
const params = z.object({ sessionId: id('session') });

export interface CheckpointRouteDeps extends CheckpointEventDeps {
  sessions: SessionReader;
  workflows: WorkflowClient;
  runners: RunnerView;
  live: LiveSubscriber;
  followers: Followers;
  stopping: AbortSignal;
}

export function addCheckpointRoutes(api: Api, deps: CheckpointRouteDeps): void {
  addCreation(api, deps);
  addList(api, deps);
}

function addCreation(api: Api, deps: CheckpointRouteDeps): void {
  api.route(
    {
      method: 'post',
      path,
      tag,
      summary: 'Keep the files as they are now',
      action: 'checkpoint.create',
      params,
      body: createCheckpointSchema,
      answers: { 201: { description: 'Stored', schema: checkpointSchema } },
    },
    async ({ principal, params: { sessionId }, body, draw, retried, signal }) => {
      const session = await deps.sessions.open(principal, sessionId, 'checkpoint.create');
      await refuseClosed(deps.sessions, session.document);
      // A session that sleeps is woken for it.
      if (session.document.state === 'hibernated') await deps.runners.checkPlaceable();
      else await deps.runners.checkAlive();
      const end = deps.followers.admit('waiters', session.scope.organizationId);
      const subscription = deps.live.subscribe(liveSubject(session.scope, sessionProducer));
      try {
        const request = { label: body.label ?? '', draw, retried, signal: AbortSignal.any([signal, deps.stopping]) };
        return json(201, checkpointJson(await makeCheckpoint(deps, session, subscription, request)));
      } finally {
        subscription.close();
        end();
      }
    },
  );
}

interface NewCheckpoint {
  label: string;
  draw: Draw;
  retried: boolean;
  signal: AbortSignal;
}

async function makeCheckpoint(
  deps: CheckpointRouteDeps,
  session: OpenedSession,
  subscription: LiveSubscription,
  { label, draw, retried, signal }: NewCheckpoint,
): Promise<PositionedEvent> {
  const { scope, document } = session;
  const after = retried ? undefined : await deps.position.lastCursor(scope);
  const checkpointId = draw.id('checkpoint');
  // A session's workflow forgets in time what it was asked; its history does not.
  const recorded = retried ? await findCheckpoint(deps.history, scope, checkpointId, undefined) : undefined;
  if (recorded) return recorded;
  const request: CreateCheckpointRequest = { checkpointId, label };
  // An update that was refused answers so for ever: a repetition is another one, which the workflow knows by the checkpoint's id.
  const options = { takesLong: true, ...(!retried && { updateId: checkpointId }) };
  await updateSession<CheckpointDocument>(deps, document, createCheckpoint, [request], options);
  return await recordedCheckpoint(deps, subscription, { scope, checkpointId, after, signal });
}

function addList(api: Api, deps: CheckpointRouteDeps): void {
  api.route(
    {
      method: 'get',
      path,
      tag,
      summary: 'Checkpoints of a session, oldest first',
      action: 'checkpoint.read',
      params,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(checkpointSchema) } },
    },
    async ({ principal, params: { sessionId }, query }) => {
      const { scope } = await deps.sessions.open(principal, sessionId, 'checkpoint.read');
      const request = { after: listCursor(query.cursor), limit: query.limit, types: checkpointTypes };
      const page = await deps.history.page(scope, request);
      return json(200, {
        items: page.events.map(checkpointJson),
        nextCursor: page.complete ? null : formatCursor(page.next),
      });
    },
  );
}

/** @throws cursor_invalid for anything but a cursor that was given out. */
function listCursor(text: string | undefined): Cursor | undefined {
  const cursor = text === undefined ? undefined : parseCursor(text);
  if (text === undefined || cursor) return cursor;
  throw new Problem('cursor_invalid', 'cursor: is not the nextCursor of a page of this list');
}
