// Sessions: persistent workspaces on a branch of their own, and their checkpoints.

import type {
  Checkpoint,
  CreateCheckpoint,
  CreateSession,
  ForkSession,
  PatchSession,
  Revert,
  RevertSession,
  Session,
  UpdateSessionFromMain,
  UpdatedSession,
} from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf, type WaitOptions } from './call.ts';

export interface SessionFilter extends PageQuery {
  projectId?: string;
  taskId?: string;
  trialId?: string;
  state?: Session['state'];
}

export function createSessions(transport: Transport) {
  const list = (filter: SessionFilter = {}, options?: CallOptions) =>
    transport.json<Page<Session>>('GET', '/v1/sessions', { query: { ...filter }, ...options });
  return {
    /** With `waitSeconds` it answers once the session is ready (or failed), or when the wait is over. */
    create: (projectId: string, body: CreateSession = {}, options?: WaitOptions) =>
      transport.json<Session>('POST', pathOf`/v1/projects/${projectId}/sessions`, { body, ...options }),
    list,
    all: (filter: Omit<SessionFilter, 'cursor'> = {}, options?: CallOptions) =>
      allItems((cursor) => list({ ...filter, cursor }, options)),
    get: (sessionId: string, options?: CallOptions) =>
      transport.json<Session>('GET', pathOf`/v1/sessions/${sessionId}`, options),
    update: (sessionId: string, body: PatchSession, options?: CallOptions) =>
      transport.json<Session>('PATCH', pathOf`/v1/sessions/${sessionId}`, { body, ...options }),
    /**
     * Answers once it is hibernated; `state` is still `hibernating` where storing its files takes longer than the API waits. Throws
     * `session_busy` while a command is live, and `checkpoint_failed` when the files could not be stored.
     */
    hibernate: (sessionId: string, options?: CallOptions) =>
      transport.json<Session>('POST', pathOf`/v1/sessions/${sessionId}/hibernate`, options),
    /** As its next command would. With `waitSeconds` it answers once the session is ready, or when the wait is over. */
    resume: (sessionId: string, options?: WaitOptions) =>
      transport.json<Session>('POST', pathOf`/v1/sessions/${sessionId}/resume`, options),
    /**
     * Files, branches and index as they were at a checkpoint of the session; answers with the checkpoint that the revert is itself. Throws
     * `session_busy` while a command is live, unless forced: then it is canceled first.
     */
    revert: (sessionId: string, body: RevertSession, options?: CallOptions) =>
      transport.json<Revert>('POST', pathOf`/v1/sessions/${sessionId}/revert`, { body, ...options }),
    /** Brings the newest default branch in; conflicts are listed and left to the session. */
    bringMain: (sessionId: string, body: UpdateSessionFromMain = {}, options?: CallOptions) =>
      transport.json<UpdatedSession>('POST', pathOf`/v1/sessions/${sessionId}/update`, { body, ...options }),
    /** Sessions of their own with the files and history of this one as at a checkpoint; hibernated until they are used. */
    fork: (sessionId: string, body: ForkSession = {}, options?: CallOptions) =>
      transport.json<{ items: Session[] }>('POST', pathOf`/v1/sessions/${sessionId}/fork`, { body, ...options }),
    archive: (sessionId: string, options?: CallOptions) =>
      transport.json<Session>('POST', pathOf`/v1/sessions/${sessionId}/archive`, options),
  };
}

export function createCheckpoints(transport: Transport) {
  const list = (sessionId: string, query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Checkpoint>>('GET', pathOf`/v1/sessions/${sessionId}/checkpoints`, {
      query: { ...query },
      ...options,
    });
  return {
    /** Keeps the files as they are now; answers once they are stored. */
    create: (sessionId: string, body: CreateCheckpoint = {}, options?: CallOptions) =>
      transport.json<Checkpoint>('POST', pathOf`/v1/sessions/${sessionId}/checkpoints`, { body, ...options }),
    /** Oldest first. */
    list,
    all: (sessionId: string, options?: CallOptions) =>
      allItems((cursor) => list(sessionId, { cursor, limit: 200 }, options)),
  };
}
