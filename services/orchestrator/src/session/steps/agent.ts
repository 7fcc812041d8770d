// The steps of a turn: a call of the model, and the end of a tool that it asked for.
//
// A call that fails in a way that may pass is tried again by the server, at a time that the activity gives. What is in the history of a
// step is not asked of the model again, whoever died.

import { ActivityCancellationType, isCancellation, proxyActivities } from '@temporalio/workflow';
import { agentName } from '@worktrail/contract/agents';
import { modelStepProducer } from '@worktrail/contract/turns';
import { failureMessage, failureType, wasNotTakenUp } from '../../activity-failure.ts';
import { type SandboxActivities, sandboxGone, type UseFilesInput } from '@worktrail/contract/sandbox-activities';
import type { AgentActivities } from '../../agent/agent-activities.ts';
import { agentTaskQueue } from '../../agent/agent-activities.ts';
import { modelRepeats } from '../../agent/model-step-messages.ts';
import { recordOptions } from '../../record-options.ts';
import { now } from '../../workflow-clock.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';
import type { LiveTurn, SessionState } from '../state.ts';
import { filesTouched } from '../checkpoints.ts';
import { toolSandboxGone } from '../life.ts';
import { findLive } from '../commands.ts';
import { modelAnswered, modelFailed, modelRepeated, toolConcluded, toolNotTold, toolToConclude } from '../turns.ts';

const detailLengthMax = 500;

const { modelStep } = proxyActivities<AgentActivities>({
  taskQueue: agentTaskQueue,
  startToCloseTimeout: '1 hour',
  scheduleToCloseTimeout: '3 hours',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute', maximumAttempts: 12 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});
const { concludeCommand } = proxyActivities<AgentActivities>({ ...recordOptions, taskQueue: agentTaskQueue });

export function callModel({ state, background }: SessionRun, turn: LiveTurn): void {
  const { id: turnId, agent } = turn.spec;
  const producer = modelStepProducer(turnId, turn.step);
  const inherited = state.spec.fork?.inherited ?? [];
  const input = { ref: sandboxRef(state), inherited, turnId, step: turn.step, model: agent.model };
  background.begin('model', async () => {
    try {
      modelAnswered(state, producer, await modelStep(input), now());
    } catch (error) {
      // The loop ends the turn.
      if (isCancellation(error)) return;
      const detail = failureMessage(error).slice(0, detailLengthMax);
      if (failureType(error) === modelRepeats) return modelRepeated(state, producer, detail, now());
      modelFailed(state, producer, detail, now());
    }
  });
}

export function concludeTool({ state, background }: SessionRun, turn: LiveTurn): void {
  const tool = toolToConclude(turn);
  if (!tool) return;
  const { use, commandId } = tool;
  const turnId = turn.spec.id;
  const about = { turnId, toolCallId: use.id };
  if (commandId !== null && findLive(state, commandId)) return;
  tool.state = 'telling';
  if (use.kind === 'files') {
    const input = { ...sandboxRef(state), ...about, agent: agentName(turn.spec.agent), use: use.use };
    return background.begin('tool', () => useFilesOnHost(state, input));
  }
  if (commandId === null) return;
  const result = state.ended.find(({ id }) => id === commandId)?.result ?? null;
  background.begin('tool', async () => {
    await concludeCommand({ ...about, ref: sandboxRef(state), commandId, result });
    toolConcluded(state, use.id, now());
  });
}

async function useFilesOnHost(state: SessionState, input: UseFilesInput): Promise<void> {
  const { useFiles } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    startToCloseTimeout: '2 minutes',
    scheduleToStartTimeout: '1 minute',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  try {
    const { changed } = await useFiles(input);
    if (changed) filesTouched(state, now());
    toolConcluded(state, input.toolCallId, now());
  } catch (error) {
    const isGone = failureType(error) === sandboxGone;
    if (!isCancellation(error) && !wasNotTakenUp(error) && !isGone) throw error;
    // Of a turn that goes on the loop asks again.
    toolNotTold(state, input.turnId, input.toolCallId, now());
    if (isGone) toolSandboxGone(state, input.generation, now());
  }
}
