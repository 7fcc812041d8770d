// Telling the outside: events and document, one batch at a time; and reports to its trial, or to the session it was forked from.

import { getExternalWorkflowHandle, log, proxyActivities } from '@temporalio/workflow';
import { type ForkRecorded, forkRecorded } from '@worktrail/contract/session-messages';
import {
  type CommandReported,
  commandReported,
  type SessionReported,
  sessionReported,
  type TurnReported,
  turnReported,
} from '@worktrail/contract/trial-messages';
import type { RecordActivities } from '../../record-activities.ts';
import { recordOptions } from '../../record-options.ts';
import { nextRecord, recorded } from '../record.ts';
import { now } from '../../workflow-clock.ts';
import type { SessionRun } from '../run.ts';
import type { SessionState, TrialReport } from '../state.ts';

const { recordSession } = proxyActivities<RecordActivities>(recordOptions);

export function record({ state, background }: SessionRun): void {
  background.begin('recording', async () => {
    const batch = nextRecord(state);
    await recordSession(batch);
    recorded(state, batch, now());
  });
}

export function report({ state, background }: SessionRun): void {
  background.begin('reporting', async () => {
    for (let next = state.reports[0]; next; next = state.reports[0]) {
      await send(state, next);
      state.reports = state.reports.filter((report) => report !== next);
    }
  });
}

async function send(state: SessionState, next: TrialReport): Promise<void> {
  const { sessionId } = state.spec;
  const told = getExternalWorkflowHandle(next.to);
  try {
    if (next.about === 'fork') {
      await told.signal<[ForkRecorded]>(forkRecorded, { sessionId });
    } else if (next.about === 'turn') {
      await told.signal<[TurnReported]>(turnReported, { sessionId, ...next.turn });
    } else if (next.about === 'command') {
      const { commandId, result } = next;
      await told.signal<[CommandReported]>(commandReported, { sessionId, commandId, result });
    } else {
      const failure = next.state === 'failed' ? state.failure : null;
      await told.signal<[SessionReported]>(sessionReported, { sessionId, state: next.state, failure });
    }
  } catch (error) {
    // It has ended, or was never one: nobody waits for this.
    log.info('a workflow was not there to be told', { workflow: next.to, about: next.about, reason: String(error) });
  }
}
