// What a trial does to others: it starts its sessions, tells them what to run and what to stop, and is recorded.

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  getExternalWorkflowHandle,
  ParentClosePolicy,
  proxyActivities,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import * as messages from '@worktrail/contract/session-messages';
import type { CancelTurnRequest } from '@worktrail/contract/turns';
import type { Background } from '../background.ts';
import type { RecordActivities } from '../record-activities.ts';
import { recordOptions } from '../record-options.ts';
import type { session } from '../session/workflow.ts';
import { now } from '../workflow-clock.ts';
import * as attempts from './attempts.ts';
import { countsSteps } from './budget.ts';
import type { TrialUnderway } from './next-step.ts';
import { verdictsToRecord } from './record.ts';
import { type TrialState, trialDocument } from './state.ts';

export interface TrialRun {
  readonly state: TrialState;
  readonly background: Background;
}

const silenceMsMin = 10 * 60 * 1000;
const silenceMsMax = 6 * 60 * 60 * 1000;

const { recordTrial } = proxyActivities<RecordActivities>(recordOptions);

export function underwayIn({ state, background }: TrialRun): TrialUnderway {
  const indexes = state.attempts.map((_, index) => index);
  return {
    talking: indexes.filter((index) => background.has(`talk ${index}`)),
    listening: indexes.filter((index) => background.has(`listen ${index}`)),
    timing: background.has('time'),
    recording: background.has('record'),
  };
}

/** The session outlives the trial. */
export function startSession({ state, background }: TrialRun, index: number): void {
  const spec = state.spec.attempts[index]!.session;
  background.begin(`talk ${index}`, async () => {
    try {
      const child = await startChild<typeof session>(messages.sessionWorkflow, {
        workflowId: messages.sessionWorkflowId(spec.sessionId),
        args: [spec],
        taskQueue: messages.workflowTaskQueue,
        workflowTaskTimeout: messages.workflowTaskTimeoutMs,
        parentClosePolicy: ParentClosePolicy.ABANDON,
      });
      attempts.sessionStarted(state, index);
      noticeEnd(state, index, child.result());
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
        return attempts.attemptFailedToStart(state, index, String(error), now());
      }
      // Started before: it takes commands before it is ready, and runs them when it is.
      const { sessionId } = spec;
      attempts.sessionReported(state, { sessionId, state: 'ready', failure: null }, now());
    }
  });
}

/** A session that was archived has said so before; one that was ended from outside could not. */
function noticeEnd(state: TrialState, index: number, end: Promise<unknown>): void {
  const gone = () => attempts.sessionGone(state, index, now());
  void end.then(gone, gone);
}

export function send({ state, background }: TrialRun, index: number): void {
  const { current } = state.attempts[index]!;
  const planned = attempts.plannedNow(state, index);
  if (!current || !planned) return;
  const { id, queuedAt } = current;
  const name = planned.what === 'turn' ? messages.runTrialTurn : messages.runTrialCommand;
  const request =
    planned.what === 'turn' ? turnRequest(state, planned, queuedAt) : commandRequest(state, planned, current);
  background.begin(`talk ${index}`, async () => {
    if (await signal(state, index, name, request)) attempts.stepSent(state, index, id);
    else attempts.sessionGone(state, index, now());
  });
}

function commandRequest(
  state: TrialState,
  { command, origin }: attempts.PlannedCommand,
  { id, queuedAt }: { id: string; queuedAt: string },
): messages.RunTrialCommand {
  return {
    trialWorkflowId: workflowInfo().workflowId,
    command: {
      ...{ id, command, cwd: '', env: {}, timeoutSeconds: null, stdin: '', background: false, origin },
      actor: state.spec.createdBy,
      queuedAt,
    },
  };
}

function turnRequest(state: TrialState, { message }: attempts.PlannedTurn, queuedAt: string): messages.RunTrialTurn {
  const reportTo = { workflowId: workflowInfo().workflowId, steps: countsSteps(state) };
  return { turn: { ...message, queuedAt }, reportTo };
}

/** A report is not lost, but a session may be: after a long silence the step is sent again, each time after twice as long. */
export function listen({ state, background }: TrialRun, index: number): void {
  const current = state.attempts[index]?.current;
  if (!current) return;
  background.begin(`listen ${index}`, async () => {
    await sleep(Math.min(silenceMsMin * 2 ** Math.min(current.asks, 10), silenceMsMax));
    attempts.stepSilent(state, index, current.id);
  });
}

export function stop({ state, background }: TrialRun, index: number): void {
  const toStop = state.attempts[index]?.toStop;
  if (!toStop) return;
  const { what, id, reason } = toStop;
  background.begin(`talk ${index}`, async () => {
    if (what === 'turn') {
      const request: CancelTurnRequest = { turnId: id, reason };
      await signal(state, index, messages.cancelTrialTurn, request);
    } else {
      const request: messages.CancelCommandRequest = { commandId: id, reason };
      await signal(state, index, messages.cancelTrialCommand, request);
    }
    attempts.stepStopped(state, index);
  });
}

/** The end of its time. */
export function time({ state, background }: TrialRun, atMs: number): void {
  background.begin('time', async () => {
    await sleep(Math.max(1, atMs - Date.now()));
    attempts.budgetSpent(state, 'seconds', now());
  });
}

export function record({ state, background }: TrialRun): void {
  background.begin('record', async () => {
    const document = trialDocument(state);
    const verdicts = verdictsToRecord(state);
    await recordTrial({ document, verdicts });
    attempts.verdictsRecorded(
      state,
      verdicts.map(({ ref }) => ref.sessionId),
    );
    state.recordedVersion = document.version;
  });
}

/** False when the session's workflow is not there. */
async function signal(state: TrialState, index: number, name: string, request: unknown): Promise<boolean> {
  const { sessionId } = state.spec.attempts[index]!.session;
  try {
    await getExternalWorkflowHandle(messages.sessionWorkflowId(sessionId)).signal(name, request);
    return true;
  } catch {
    return false;
  }
}
