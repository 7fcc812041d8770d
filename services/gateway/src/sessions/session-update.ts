// Changes of a session, asked of its workflow.

import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { sessionWorkflowId } from '@worktrail/contract/session-messages';
import type { UpdateOptions, WorkflowClient } from '../workflow-client.ts';
import type { SessionReader } from './session-reader.ts';

export interface SessionUpdateDeps {
  sessions: Pick<SessionReader, 'find'>;
  workflows: Pick<WorkflowClient, 'update'>;
}

/** @throws what the workflow refuses with, or why there is none. */
export async function updateSession<Result = SessionDocument>(
  deps: SessionUpdateDeps,
  document: SessionDocument,
  update: string,
  args: readonly unknown[],
  options: UpdateOptions = {},
): Promise<Result> {
  const changed = await deps.workflows.update<Result>(sessionWorkflowId(document.id), update, args, options);
  if (changed) return changed;
  throw await closedSession(deps.sessions, document);
}

/** For what needs parts that a closed session does not: it is told as such whether or not they are there. */
export async function refuseClosed(sessions: Pick<SessionReader, 'find'>, document: SessionDocument): Promise<void> {
  if (document.state === 'archived' || document.state === 'failed') throw await closedSession(sessions, document);
}

/** Why a session's workflow takes nothing any more. */
export async function closedSession(
  sessions: Pick<SessionReader, 'find'>,
  known: SessionDocument,
): Promise<WorktrailError> {
  const document = (await sessions.find(known.organizationId, known.id)) ?? known;
  switch (document.state) {
    case 'archived':
      return new WorktrailError('session_archived', `${document.id} is archived`);
    case 'failed':
      return new WorktrailError('session_failed', `${document.id} has failed: ${document.failure?.detail ?? ''}`);
    default:
      return new WorktrailError('conflict', `${document.id} has not been started, or its workflow has gone`);
  }
}
