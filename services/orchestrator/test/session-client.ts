// A session of a test: started and spoken to as the gateway does it.

import { TimeoutError } from '@nats-io/transport-node';
import type { WorkflowHandle } from '@temporalio/client';
import type { CheckpointRef } from '@worktrail/contract/checkpoints';
import type { CommandSpec } from '@worktrail/contract/commands';
import type { CheckpointDocument, SessionDocument } from '@worktrail/contract/documents';
import { newId } from '@worktrail/contract/ids';
import * as messages from '@worktrail/contract/session-messages';
import { sessionKey } from '@worktrail/contract/subjects';
import * as turns from '@worktrail/contract/turns';
import type { Event } from '@worktrail/proto/event';
import type { ContinuedSession } from '../src/session/workflow.ts';
import type { OrchestratorBed } from './orchestrator-bed.ts';

export interface SessionClient {
  spec: messages.SessionSpec;
  handle: WorkflowHandle;
  run(command: CommandSpec): Promise<messages.CommandAccepted>;
  cancel(commandId: string): Promise<{ accepted: boolean }>;
  say(turn: turns.TurnSpec): Promise<turns.TurnAccepted>;
  cancelTurn(turnId: string): Promise<{ accepted: boolean }>;
  archive(): Promise<SessionDocument>;
  hibernate(reason?: string): Promise<SessionDocument>;
  resume(): Promise<SessionDocument>;
  checkpoint(checkpointId: string, label?: string): Promise<CheckpointDocument>;
  revert(
    to: CheckpointRef,
    options?: { checkpointId?: string; force?: boolean; updateId?: string },
  ): Promise<messages.RevertDocument>;
  changeFile(request?: Partial<messages.ChangeFileRequest>, updateId?: string): Promise<messages.ChangedFile>;
  settleFiles(): Promise<messages.SettledFiles>;
  loseHost(lost: messages.HostLost): Promise<void>;
  patch(request: messages.PatchSessionRequest): Promise<SessionDocument>;
  describe(): Promise<SessionDocument>;
  /** Types of the session's own events, in order. */
  history(): Promise<string[]>;
  events(): Promise<Event[]>;
  untilState(state: SessionDocument['state']): Promise<SessionDocument>;
  untilEnded(commandId: string): Promise<Event>;
  /** The read model. */
  stored(): Promise<SessionDocument | undefined>;
}

export async function startSession(
  bed: OrchestratorBed,
  spec: messages.SessionSpec,
  continued?: ContinuedSession,
): Promise<SessionClient> {
  const handle = await bed.client.workflow.start(messages.sessionWorkflow, {
    workflowId: messages.sessionWorkflowId(spec.sessionId),
    taskQueue: messages.workflowTaskQueue,
    workflowTaskTimeout: messages.workflowTaskTimeoutMs,
    args: continued ? [spec, continued] : [spec],
  });
  return connectSession(bed, spec, bed.client.workflow.getHandle(handle.workflowId));
}

export function connectSession(
  bed: OrchestratorBed,
  spec: messages.SessionSpec,
  handle: WorkflowHandle,
): SessionClient {
  const describe = () => handle.query<SessionDocument>(messages.describeSession);
  const events = () => bed.events(spec.sessionId);
  const stored = async () =>
    (await bed.sessions.get(sessionKey(spec.organizationId, spec.sessionId)))?.json<SessionDocument>();
  return {
    spec,
    handle,
    run: (command) => handle.executeUpdate(messages.runCommand, { args: [command], updateId: command.id }),
    cancel: (commandId) => handle.executeUpdate(messages.cancelCommand, { args: [{ commandId, reason: 'asked' }] }),
    say: (turn) => handle.executeUpdate(turns.sendMessage, { args: [turn], updateId: turn.id }),
    cancelTurn: (turnId) => handle.executeUpdate(turns.cancelTurn, { args: [{ turnId, reason: 'asked' }] }),
    archive: () => handle.executeUpdate(messages.archiveSession),
    hibernate: (reason = 'requested') => handle.executeUpdate(messages.hibernateSession, { args: [{ reason }] }),
    resume: () => handle.executeUpdate(messages.resumeSession),
    checkpoint: (checkpointId, label = '') =>
      handle.executeUpdate(messages.createCheckpoint, {
        args: [{ checkpointId, label }],
        updateId: checkpointId,
      }),
    revert: (to, { checkpointId = newId('checkpoint'), force = false, updateId = checkpointId } = {}) =>
      handle.executeUpdate(messages.revertSession, {
        args: [{ checkpointId, to, force, actor: { kind: 'user', id: 'prn_someone' } }],
        updateId,
      }),
    changeFile: (request = {}, updateId) => {
      const changeId = newId('event');
      const actor = { kind: 'user' as const, id: 'prn_someone' };
      const order = { changeId, path: 'a/b', content: null, executable: null, expected: null, actor, ...request };
      return handle.executeUpdate(messages.changeFile, { args: [order], updateId: updateId ?? order.changeId });
    },
    settleFiles: () => handle.executeUpdate(messages.settleFiles),
    loseHost: (lost) => handle.signal(messages.hostLost, lost),
    patch: (request) => handle.executeUpdate(messages.patchSession, { args: [request] }),
    describe,
    events,
    history: async () =>
      (await events()).filter((event) => event.producer === 'session').map((event) => event.payload.case ?? 'none'),
    // A short while of being busy is not recorded.
    untilState: (state) =>
      untilBoth(state === 'busy' ? describe : stored, describe, (document) => document.state === state),
    untilEnded: async (commandId) => {
      const isEnd = (event: Event) => event.commandId === commandId && event.payload.case === 'commandEnded';
      return (await until(events, (all) => all.some(isEnd))).find(isEnd)!;
    },
    stored,
  };
}

/** Asks until it is so; gives up with the last answer. */
export async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean, patienceMs = 60_000): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`it did not come to be so: ${describeAnswer(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * What a workflow has recorded is asked for until it is so, then the workflow itself: each question to it costs a worker that keeps nothing
 * in memory a replay of its whole life.
 */
export function untilBoth<T>(
  stored: () => Promise<T | undefined>,
  describe: () => Promise<T>,
  isSo: (document: T) => boolean,
): Promise<T> {
  const ask = async () => {
    const document = await stored().catch(unanswered);
    return document !== undefined && isSo(document) ? describe() : document;
  };
  return until(ask, (document) => document !== undefined && isSo(document)) as Promise<T>;
}

/** What NATS was asked just when it was restarted is asked again. */
function unanswered(error: unknown): undefined {
  if (!(error instanceof TimeoutError)) throw error;
}

function describeAnswer(answer: unknown): string {
  const text = JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? Number(value) : value));
  return text.length > 6_000 ? `${text.slice(0, 1_000)} … ${text.slice(-5_000)}` : text;
}
