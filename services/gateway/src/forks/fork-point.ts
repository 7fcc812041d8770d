// What forks of a session begin with: asked of its workflow, or of the document of one that is over.
//
// 1. The checkpoint is one of the session's history, which for a fork begins with that of its ancestors.
// 2. What the workflow answers it keeps for these forks. A session that is over changes no more: it keeps what its document names.

import type { CheckpointRef } from '@worktrail/contract/checkpoints';
import { compareCursors, formatCursor, parseCursor } from '@worktrail/contract/cursor';
import type { ActorRef } from '@worktrail/contract/commands';
import { WorktrailError } from '@worktrail/contract/errors';
import { ancestorsMax, type ForkPoint, forkPointAt, type InheritedHistory } from '@worktrail/contract/forks';
import { forkSession, type ForkSessionRequest } from '@worktrail/contract/session-messages';
import { findCheckpoint } from '../checkpoints/checkpoint-events.ts';
import { unavailable } from '../deadline.ts';
import type { History, PositionedEvent } from '../events/history.ts';
import type { StreamPosition } from '../events/stream-position.ts';
import { invalid, Problem } from '../problem.ts';
import type { OpenedSession, SessionReader } from '../sessions/session-reader.ts';
import { updateSession } from '../sessions/session-update.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { inheritedAt } from './inherited-history.ts';

export interface ForkPointDeps {
  sessions: Pick<SessionReader, 'find'>;
  workflows: Pick<WorkflowClient, 'update'>;
  history: History;
  position: Pick<StreamPosition, 'lastCursor'>;
}

export interface ForkPointRequest {
  forks: string[];
  /** Undefined: the newest. */
  checkpointId: string | undefined;
  /** The request's field that names it. */
  field: string;
  /** Of a fork that the same request has made before: what is known to it is known to all. */
  inherited: InheritedHistory[] | undefined;
  by: ActorRef;
}

/** @throws validation_failed, conflict */
export async function askForkPoint(
  deps: ForkPointDeps,
  parent: OpenedSession,
  { forks, checkpointId, field, inherited: known, by }: ForkPointRequest,
): Promise<{ point: ForkPoint; inherited: InheritedHistory[] }> {
  const find = (id: string) => findCheckpoint(deps.history, parent.scope, id, undefined);
  const named = checkpointId === undefined ? undefined : await find(checkpointId);
  if (checkpointId !== undefined && !named) {
    throw invalid({ path: field, message: `is no checkpoint of ${parent.document.id}` });
  }
  const at = await deps.position.lastCursor(parent.scope);
  const request = { forks, checkpoint: named ? refOf(named) : null, at: formatCursor(at), by };
  const point = await askParent(deps, parent, request);
  if (known) return { point, inherited: known };
  const event = named ?? (await find(point.checkpoint.id));
  if (!event) throw unavailable('trace-store', `${point.checkpoint.id} is not in the history yet`);
  const said = point.saidUpTo === undefined ? undefined : parseCursor(point.saidUpTo);
  const inherited = inheritedAt(parent.document, said && compareCursors(said, event.cursor) > 0 ? said : event.cursor);
  if (inherited.length > ancestorsMax) {
    throw new Problem(
      'conflict',
      `${parent.document.id} has ${ancestorsMax} ancestors, which is as many as a fork may have`,
    );
  }
  return { point, inherited };
}

async function askParent(
  deps: ForkPointDeps,
  { document }: OpenedSession,
  request: ForkSessionRequest,
): Promise<ForkPoint> {
  if (document.state === 'archived') return pointOfOver(document.forkPoint, request);
  try {
    return await updateSession<ForkPoint>(deps, document, forkSession, [request], { takesLong: true });
  } catch (error) {
    if (!(error instanceof WorktrailError) || !['session_archived', 'session_failed'].includes(error.code)) throw error;
    const newest = await deps.sessions.find(document.organizationId, document.id);
    if (!newest?.forkPoint) throw error;
    return pointOfOver(newest.forkPoint, request);
  }
}

function pointOfOver(newest: ForkPoint | null, { checkpoint, at }: ForkSessionRequest): ForkPoint {
  if (!newest || (checkpoint && checkpoint.number > newest.checkpoint.number)) {
    throw new Problem('conflict', 'the session has kept no such checkpoint');
  }
  const point = forkPointAt(newest, checkpoint ?? newest.checkpoint);
  return checkpoint === null && at !== undefined ? { ...point, saidUpTo: at } : point;
}

function refOf({ event }: PositionedEvent): CheckpointRef | null {
  if (event.payload.case !== 'checkpointCreated') return null;
  const { checkpointId: id, number, commit, tree } = event.payload.value;
  return { id, number, commit, tree };
}
