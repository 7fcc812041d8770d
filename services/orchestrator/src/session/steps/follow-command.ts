// Running a command: scheduled on the queue of the session's host, and again until its true outcome is known.
//
// 1. A failure of the activity says nothing about the command, but one: `sandbox_gone`, it was never started there.
// 2. A cancel makes the runner let go of the command, which is then scheduled once more with the reason in its input. The runner's
//    answer counts: the command may have ended otherwise meanwhile.

import { ActivityCancellationType, isCancellation, log, proxyActivities, sleep } from '@temporalio/workflow';
import type { CommandResult } from '@worktrail/contract/commands';
import { type RunCommandInput, type SandboxActivities, sandboxGone } from '@worktrail/contract/sandbox-activities';
import { failureMessage, failureType, wasNotTakenUp } from '../../activity-failure.ts';
import { findLive } from '../commands.ts';
import { commandAnswered, commandNotStarted } from '../life.ts';
import { sandboxRef } from '../record.ts';
import { now } from '../../workflow-clock.ts';
import type { SessionRun } from '../run.ts';
import type { LiveCommandState, SessionState } from '../state.ts';

const unexpectedFailureDelay = '5 seconds';

export function followCommand(run: SessionRun, commandId: string): void {
  const command = findLive(run.state, commandId);
  if (!command) return;
  // A runner may have had it before, and have written more than that it was queued.
  const mayBeRecorded = command.state === 'running' || command.queuedEvent === 'recorded';
  command.state = 'running';
  command.startedAt ??= now();
  run.background.begin(commandId, () => follow(run.state, command, mayBeRecorded));
}

async function follow(state: SessionState, command: LiveCommandState, queuedRecorded: boolean): Promise<void> {
  const commandId = command.spec.id;
  const input = runCommandInput(state, command, queuedRecorded);
  try {
    commandAnswered(state, commandId, await runOnHost(state, input), now());
  } catch (error) {
    // Canceled, or no runner took it: the loop follows it again.
    if (isCancellation(error) || wasNotTakenUp(error)) return;
    if (failureType(error) === sandboxGone) {
      return commandNotStarted(state, commandId, { generation: input.generation, sandboxGone: true }, now());
    }
    if (input.generation !== state.generation) return;
    log.warn('a runner could not say how a command ended; it is asked again', {
      commandId,
      type: failureType(error),
      reason: failureMessage(error),
    });
    await sleep(unexpectedFailureDelay);
  }
}

function runCommandInput(state: SessionState, command: LiveCommandState, queuedRecorded: boolean): RunCommandInput {
  const { env, resources } = state.spec.environment;
  const { outputBytesMax, outputOverflow } = resources;
  return {
    ...sandboxRef(state),
    command: command.spec,
    environment: { env, resources: { outputBytesMax, ...(outputOverflow && { outputOverflow }) } },
    env: state.spec.env,
    cancelGraceSeconds: state.spec.cancelGraceSeconds,
    queuedRecorded,
    cancelReason: command.cancelReason,
  };
}

function runOnHost(state: SessionState, input: RunCommandInput): Promise<CommandResult> {
  const { runCommand } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    // Longer than any command may run: the runner keeps the command's own time limit.
    startToCloseTimeout: '30 days',
    scheduleToStartTimeout: '10 minutes',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  return runCommand(input);
}
