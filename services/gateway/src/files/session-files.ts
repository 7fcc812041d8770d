// Which state of a session's files is meant, and where it is to be found.

import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import type { SessionFilesRef, TreeRef } from '@worktrail/contract/session-files';
import { type SettledFiles, sessionWorkflowId, settleFiles } from '@worktrail/contract/session-messages';
import { findCheckpoint } from '../checkpoints/checkpoint-events.ts';
import type { History } from '../events/history.ts';
import { invalid, Problem } from '../problem.ts';
import { scopeOf, type SessionReader } from '../sessions/session-reader.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface SessionFiles {
  /**
   * The session as it is once no checkpoint is due any more: one that was is made at once. Nothing is woken. Where that takes too long, or
   * fails, `upToDate` is false.
   */
  settled(document: SessionDocument): Promise<SettledFiles>;
  /** @throws conflict while the session has no files yet */
  ref(document: SessionDocument): SessionFilesRef;
  /** `name`: "base", "head" for the newest checkpoint, or the id of one. `path`: of the parameter. @throws not_found, validation_failed */
  tree(document: SessionDocument, name: string, path: string): Promise<TreeRef>;
}

export function createSessionFiles(deps: {
  sessions: Pick<SessionReader, 'find' | 'newest'>;
  workflows: Pick<WorkflowClient, 'update'>;
  history: History;
}): SessionFiles {
  const share = createNextShared<SettledFiles>();

  async function settle(known: SessionDocument): Promise<SettledFiles> {
    const workflowId = sessionWorkflowId(known.id);
    try {
      const options = { takesLong: true };
      const settled = await deps.workflows.update<SettledFiles>(workflowId, settleFiles, [], options);
      if (settled) return settled;
      const document = (await deps.sessions.find(known.organizationId, known.id)) ?? known;
      return { document, upToDate: document.state === 'archived' };
    } catch (error) {
      // Others wait for the same already.
      if (!(error instanceof WorktrailError) || error.code !== 'rate_limited') throw error;
      return { document: await deps.sessions.newest(known), upToDate: false };
    }
  }

  return {
    async settled(document) {
      if (document.state === 'archived') return { document, upToDate: true };
      return share(document.id, () => settle(document));
    },
    ref(document) {
      const {
        id: sessionId,
        organizationId,
        projectId,
        generation,
        repository,
        baseCommit,
        artifacts,
        state,
      } = document;
      if (baseCommit === null) throw new WorktrailError('conflict', `${sessionId} has no files: it is ${state}`);
      return { sessionId, organizationId, projectId, generation, repository, baseCommit, artifacts };
    },
    async tree(document, name, path) {
      if (name === 'base') return null;
      if (name === 'head') return document.checkpoint;
      if (!isId(name, 'checkpoint')) throw invalid({ path, message: 'must be the id of a checkpoint' });
      if (document.checkpoint?.id === name) return document.checkpoint;
      const found = await findCheckpoint(deps.history, scopeOf(document), name, undefined);
      if (found?.event.payload.case !== 'checkpointCreated')
        throw new Problem('not_found', `${document.id} has no checkpoint ${name}`);
      const { checkpointId: id, number, commit, tree } = found.event.payload.value;
      return { id, number, commit, tree };
    },
  };
}

/** Of one key at most one is under way: who comes meanwhile shares the next, which begins after they came. */
export function createNextShared<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const underway = new Map<string, { now: Promise<T>; next: Promise<T> | undefined }>();
  const begin = (key: string, work: () => Promise<T>): Promise<T> => {
    const now = work();
    const entry = { now, next: undefined as Promise<T> | undefined };
    underway.set(key, entry);
    const forget = () => {
      if (underway.get(key) === entry && !entry.next) underway.delete(key);
    };
    now.then(forget, forget);
    return now;
  };
  return (key, work) => {
    const entry = underway.get(key);
    if (!entry) return begin(key, work);
    const after = () => begin(key, work);
    entry.next ??= entry.now.then(after, after);
    return entry.next;
  };
}
