// The steps of a turn: a call of the model, and the end of a tool that it asked for.
//
// A call that fails in a way that may pass is tried again by the server, at a time that the activity gives. What is in the history of a
// step is not asked of the model again, whoever died.

import { ActivityCancellationType, condition, isCancellation, proxyActivities } from '@temporalio/workflow';
import { agentName } from '@worktrail/contract/agents';
import { modelStepProducer } from '@worktrail/contract/turns';
import { failureMessage, failureType, wasNotTakenUp } from '../../activity-failure.ts';
import {
  type SandboxActivities,
  sandboxGone,
  type UseContextInput,
  type UseFilesInput,
} from '@worktrail/contract/sandbox-activities';
import type { AgentActivities } from '../../agent/agent-activities.ts';
import { modelRepeats } from '../../agent/model-step-messages.ts';
import { recordOptions } from '../../record-options.ts';
import { now } from '../../workflow-clock.ts';
import { newestUnrecorded, sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';
import type { LiveTurn, SessionState } from '../state.ts';
import { filesTouched } from '../checkpoints.ts';
import { toolSandboxGone } from '../life.ts';
import {
  modelAnswered,
  modelFailed,
  modelRepeated,
  toolConcluded,
  toolFailed,
  toolLeftToStep,
  toolNotTold,
  toolToConclude,
} from '../turns.ts';

const detailLengthMax = 500;
/** A runner's: another generation of the session has been asked for meanwhile. */
const staleGeneration = 'stale_generation';
/** Before a host is asked again that has no sandbox of the session, while what is followed there has not noticed yet. */
const refusedDelay = '5 seconds';

const { modelStep } = proxyActivities<AgentActivities>({
  startToCloseTimeout: '1 hour',
  scheduleToCloseTimeout: '3 hours',
  heartbeatTimeout: '10 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute', maximumAttempts: 12 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});
const { concludeCommand } = proxyActivities<AgentActivities>(recordOptions);

export function callModel({ state, background }: SessionRun, turn: LiveTurn): void {
  const { id: turnId, agent } = turn.spec;
  const producer = modelStepProducer(turnId, turn.step);
  const inherited = state.spec.fork?.inherited ?? [];
  const step = { turnId, step: turn.step, model: agent.model };
  const input = { ref: sandboxRef(state), inherited, ...step, after: newestUnrecorded(state), toTell: turn.toTell };
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

/** Whatever it is a use of, it is not to be concluded any more afterwards: the loop comes back here for the next one. */
export function concludeTool({ state, background }: SessionRun, turn: LiveTurn): void {
  const tool = toolToConclude(turn);
  if (!tool) return;
  const { use, commandId } = tool;
  const turnId = turn.spec.id;
  const about = { turnId, toolCallId: use.id };
  const result = state.ended.find(({ id }) => id === commandId)?.result ?? null;
  if (commandId !== null && toolLeftToStep(state, turn, { toolCallId: use.id, commandId, result }, now())) return;
  tool.state = 'telling';
  const input = { ...sandboxRef(state), ...about, agent: agentName(turn.spec.agent) };
  if (use.kind === 'files') {
    const asked: UseFilesInput = { ...input, secrets: secretsOf(state), use: use.use };
    return background.begin('tool', () => useOnHost(state, input, () => onHost(state).useFiles(asked)));
  }
  if (use.kind === 'context') {
    const { repository } = state.spec;
    const asked: UseContextInput = { ...input, repository, commit: state.baseCommit ?? '', use: use.use };
    return background.begin('tool', () => useOnHost(state, input, () => searchOnHost(state, asked)));
  }
  if (commandId === null) return toolFailed(state, about, 'it was never begun', now());
  background.begin('tool', async () => {
    await concludeCommand({ ...about, ref: sandboxRef(state), commandId, result });
    toolConcluded(state, use.id, now());
  });
}

function secretsOf({ spec }: SessionState): string[] {
  return Object.values(spec.environment.env).flatMap((value) => (typeof value === 'string' ? [] : [value.secret]));
}

type ToolInput = Pick<UseFilesInput, 'turnId' | 'toolCallId' | 'generation'>;

async function searchOnHost(state: SessionState, asked: UseContextInput): Promise<{ changed: boolean }> {
  await onHost(state).useContext(asked);
  return { changed: false };
}

function onHost(state: SessionState): SandboxActivities {
  return proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    startToCloseTimeout: '2 minutes',
    scheduleToStartTimeout: '1 minute',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
}

async function useOnHost(
  state: SessionState,
  { turnId, toolCallId, generation }: ToolInput,
  use: () => Promise<{ changed: boolean }>,
): Promise<void> {
  try {
    const { changed } = await use();
    if (changed) filesTouched(state, now());
    toolConcluded(state, toolCallId, now());
  } catch (error) {
    const type = failureType(error);
    if (isCancellation(error) || wasNotTakenUp(error) || type === sandboxGone || type === staleGeneration) {
      if (type === sandboxGone) toolSandboxGone(state, generation, now());
      const isRefused = type === sandboxGone || type === staleGeneration;
      // Until it is opened anew, for as long as the tool is not canceled.
      if (isRefused) await condition(() => generation !== state.generation, refusedDelay).catch(() => undefined);
      // Of a turn that goes on the loop asks again.
      toolNotTold(state, turnId, toolCallId, now());
    } else {
      toolFailed(state, { turnId, toolCallId }, failureMessage(error).slice(0, detailLengthMax), now());
    }
  }
}
