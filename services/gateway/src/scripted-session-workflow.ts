// For tests: a session's workflow that answers as it is told by a signal, and does nothing else.

import { ApplicationFailure } from '@temporalio/common';
import { condition, defineQuery, defineSignal, defineUpdate, setHandler } from '@temporalio/workflow';
import type { CheckpointDocument, SessionDocument } from '@worktrail/contract/documents';
import * as messages from '@worktrail/contract/session-messages';

export interface SessionScript {
  /** What its document says beside the first one. */
  document: Partial<SessionDocument>;
  /** What updates are refused with. */
  refusal: { code: string; detail: string } | null;
  /** Updates are answered only once this is no longer so. */
  hangs: boolean;
}

export const scriptSignal = 'script';
/** Query → how often each update came. */
export const askedQuery = 'asked';
/** Query → the ids of the checkpoints that were asked for. */
export const checkpointsQuery = 'checkpoints';

export async function session(spec: messages.SessionSpec): Promise<void> {
  const script: SessionScript = { document: { version: 1, state: 'ready' }, refusal: null, hangs: false };
  const asked: Record<string, number> = {};
  const checkpoints: string[] = [];
  const document = () => ({ ...firstDocument(spec), ...script.document });
  const answer = async <T>(update: string, make: () => T): Promise<T> => {
    asked[update] = (asked[update] ?? 0) + 1;
    if (script.refusal) throw ApplicationFailure.nonRetryable(script.refusal.detail, script.refusal.code);
    await condition(() => !script.hangs);
    return make();
  };
  const become = (state: SessionDocument['state']) => {
    script.document = { ...script.document, version: document().version + 1, state };
    return document();
  };
  setHandler(defineSignal<[Partial<SessionScript>]>(scriptSignal), (next) => void Object.assign(script, next));
  setHandler(defineQuery<Record<string, number>>(askedQuery), () => asked);
  setHandler(defineQuery<string[]>(checkpointsQuery), () => checkpoints);
  setHandler(defineQuery<SessionDocument>(messages.describeSession), document);
  setHandler(defineUpdate<SessionDocument, [unknown]>(messages.hibernateSession), () =>
    answer(messages.hibernateSession, () => become('hibernated')),
  );
  setHandler(defineUpdate<SessionDocument>(messages.resumeSession), () =>
    answer(messages.resumeSession, () => become('resuming')),
  );
  setHandler(
    defineUpdate<CheckpointDocument, [messages.CreateCheckpointRequest]>(messages.createCheckpoint),
    ({ checkpointId: id, label }) => {
      checkpoints.push(id);
      return answer(messages.createCheckpoint, () => ({
        ...{ id, label, number: 1, commit: 'c0', tree: 't0', commandId: '', filesChanged: 1 },
        createdAt: spec.createdAt,
      }));
    },
  );
  setHandler(
    defineUpdate<messages.RevertDocument, [messages.RevertSessionRequest]>(messages.revertSession),
    ({ checkpointId: id, to }) => {
      checkpoints.push(id);
      return answer(messages.revertSession, () => ({
        checkpoint: {
          ...{ id, label: '', number: 1, commit: 'c0', tree: to.tree, commandId: '', filesChanged: 1 },
          createdAt: spec.createdAt,
        },
        ...{ exact: true, notTouched: ['ignored'], notRestored: [], removed: [] },
      }));
    },
  );
  await condition(() => false);
}

function firstDocument(spec: messages.SessionSpec): SessionDocument {
  const {
    organizationId,
    projectId,
    sessionId: id,
    taskId,
    trialId,
    partition,
    title,
    labels,
    branch,
    repository,
  } = spec;
  return {
    ...{ version: 0, id, organizationId, projectId, taskId, trialId, partition, title, labels, branch, repository },
    ...{
      state: 'creating',
      baseCommit: null,
      headCommit: null,
      position: null,
      runnerId: null,
      generation: 1,
      filesGeneration: 1,
    },
    ...{ waitingForPlaceSince: null, checkpoint: null, artifacts: [], failure: null },
    ...{ fork: null, inherited: [], forkPoint: null },
    ...{ createdAt: spec.createdAt, lastActiveAt: spec.createdAt },
  };
}
