// The project's required checks on the commit that is scanned: each in order, in a session that is made for them and archived after them.
//
// What could not be run to its own end says nothing about the commit: it is noted.

import {
  ParentClosePolicy,
  condition,
  getExternalWorkflowHandle,
  proxyActivities,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { CommandOutcome, CommandResult } from '@worktrail/contract/commands';
import type { ScanSpec } from '@worktrail/contract/scan-messages';
import * as messages from '@worktrail/contract/session-messages';
import { suggestionLimits } from '@worktrail/contract/suggestions';
import { recordOptions } from '../record-options.ts';
import type { session } from '../session/workflow.ts';
import { newWorkflowId, now } from '../workflow-clock.ts';
import type { ScanRecordActivities } from './activities.ts';
import type { CheckFinding } from './check-finding.ts';
import { noted, type ScanState } from './state.ts';

const { findFailingCheck } = proxyActivities<ScanRecordActivities>(recordOptions);

const checkSecondsMax = 1_800;
/** A report is not lost, but a session may be: after so long a silence the check is sent again, which changes nothing where it runs. */
const silence = '10 minutes';
const sentMax = 12;
const failed: readonly CommandOutcome[] = ['exited', 'signaled', 'timed_out', 'oom_killed', 'output_limit'];

export interface Checked {
  /** Each of them has come to an end of its own. */
  complete: boolean;
  failing: CheckFinding[];
}

export async function runChecks(spec: ScanSpec, state: ScanState, commit: string): Promise<Checked> {
  const { checks, checkSession } = spec;
  if (checks.length === 0) return { complete: true, failing: [] };
  const { organizationId, partition, sessionId } = checkSession;
  const failing: CheckFinding[] = [];
  try {
    await startSession({ ...checkSession, baseRef: commit, createdAt: now() }, state);
    for (const command of checks) {
      const commandId = newWorkflowId('command');
      const result = await runCheck(state, { sessionId, commandId, command });
      if (result === null || !failed.includes(result.outcome)) {
        const why = result
          ? `${result.outcome}${result.reason ? `: ${result.reason}` : ''}`
          : (state.checksGone ?? 'no answer');
        noted(state, `the check "${command.slice(0, 100)}" could not be run in ${sessionId}: ${why}`);
        return { complete: false, failing };
      }
      if (result.outcome === 'exited' && result.exitCode === 0) continue;
      if (failing.length === suggestionLimits.perKindMax) {
        noted(state, `more than ${failing.length} checks fail: the others were not run`);
        return { complete: false, failing };
      }
      const scope = { organizationId, sessionId, partition };
      failing.push(await findFailingCheck({ scope, commandId, command, result }));
    }
    return { complete: true, failing };
  } catch (error) {
    noted(state, `the checks could not be run: ${String(error)}`);
    return { complete: false, failing };
  } finally {
    await signal(sessionId, messages.endSession, undefined);
  }
}

/** It outlives the scan. */
async function startSession(started: messages.SessionSpec, state: ScanState): Promise<void> {
  const child = await startChild<typeof session>(messages.sessionWorkflow, {
    workflowId: messages.sessionWorkflowId(started.sessionId),
    args: [started],
    taskQueue: messages.workflowTaskQueue,
    workflowTaskTimeout: messages.workflowTaskTimeoutMs,
    parentClosePolicy: ParentClosePolicy.ABANDON,
  });
  const gone = () => {
    state.checksGone ??= 'the session of the checks is gone';
  };
  void child.result().then(gone, gone);
}

async function runCheck(
  state: ScanState,
  { sessionId, commandId, command }: { sessionId: string; commandId: string; command: string },
): Promise<CommandResult | null> {
  const request: messages.RunTrialCommand = {
    trialWorkflowId: workflowInfo().workflowId,
    command: {
      ...{ id: commandId, command, cwd: '', env: {}, timeoutSeconds: checkSecondsMax, stdin: '', background: false },
      ...{ origin: 'verify', actor: { kind: 'system', id: 'orchestrator' }, queuedAt: now() },
    },
  };
  const result = () => state.results[commandId];
  for (let sent = 0; sent < sentMax; sent++) {
    if (!(await signal(sessionId, messages.runTrialCommand, request))) return null;
    if (await condition(() => result() !== undefined || state.checksGone !== null, silence)) return result() ?? null;
  }
  const canceled: messages.CancelCommandRequest = { commandId, reason: 'scan_ended' };
  await signal(sessionId, messages.cancelTrialCommand, canceled);
  return null;
}

/** False when the session's workflow is not there. */
async function signal(sessionId: string, name: string, request: unknown): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(messages.sessionWorkflowId(sessionId)).signal(name, request);
    return true;
  } catch {
    return false;
  }
}
