// A turn of an agent that runs in the sandbox: followed on the session's host until it has ended.
//
// 1. An attempt that is lost lets go of the agent, which goes on; the next one finds it. That it ends is written down only as the host says.
// 2. A cancel reaches the host by the activity's; where that attempt is gone, the next one is told to end the agent.

import { ActivityCancellationType, isCancellation, proxyActivities } from '@temporalio/workflow';
import {
  noDiskSpace,
  type RunAgentTurnInput,
  runnerStopping,
  type SandboxActivities,
  sandboxGone,
} from '@worktrail/contract/sandbox-activities';
import { modelStepProducer } from '@worktrail/contract/turns';
import { failureMessage, failureType, wasNotTakenUp, wasTimedOut } from '../../activity-failure.ts';
import { now } from '../../workflow-clock.ts';
import { agentAnswered, toolSandboxGone } from '../life.ts';
import { sandboxRef } from '../record.ts';
import type { SessionRun } from '../run.ts';
import type { LiveTurn, SessionState } from '../state.ts';
import { findTurn, turnEnded } from '../turn-ends.ts';
import { agentBegun, agentDecisions, agentNotBegun } from '../turns.ts';

const detailLengthMax = 500;
const processNumber = 1;
/** What a host says of itself after all attempts: the agent goes on meanwhile, and so does its turn. "detached" is a runner's. */
const hostTroubles: readonly string[] = [noDiskSpace, runnerStopping, 'detached'];

export function runAgent({ state, background }: SessionRun, turn: LiveTurn): void {
  agentBegun(state, turn);
  const input = agentInput(state, turn);
  background.begin('agent', () => follow(state, input));
}

function agentInput(state: SessionState, turn: LiveTurn): RunAgentTurnInput {
  const { spec, agentGeneration, cancelReason } = turn;
  const { env, resources } = state.spec.environment;
  const { id: turnId, text, agent } = spec;
  return {
    ...sandboxRef(state),
    ...{ turnId, producer: modelStepProducer(turnId, processNumber), text, agent },
    environment: { env, resources: { outputBytesMax: resources.outputBytesMax } },
    env: state.spec.env,
    inherited: state.spec.fork?.inherited ?? [],
    conversation: state.turns.conversation,
    mayHaveBegun: agentGeneration !== null && agentGeneration !== state.generation,
    decided: agentDecisions(state, turn) ?? [],
    stop: cancelReason !== null,
  };
}

async function follow(state: SessionState, input: RunAgentTurnInput): Promise<void> {
  const { turnId, generation } = input;
  try {
    agentAnswered(state, input, await runOnHost(state, input), now());
  } catch (error) {
    // The loop asks again.
    if (isCancellation(error) || wasNotTakenUp(error) || generation !== state.generation) return;
    const turn = findTurn(state, turnId);
    if (!turn || (turn.cancelReason !== null && !input.stop)) return;
    if (failureType(error) === sandboxGone) {
      agentNotBegun(state, turnId);
      return toolSandboxGone(state, generation, now());
    }
    if (wasTimedOut(error) || hostTroubles.includes(failureType(error) ?? '')) return;
    turnEnded(state, turn, 'failed', failureMessage(error).slice(0, detailLengthMax), now());
  }
}

function runOnHost(state: SessionState, input: RunAgentTurnInput) {
  const { runAgentTurn } = proxyActivities<SandboxActivities>({
    taskQueue: state.placement?.hostQueue ?? '',
    // Longer than any turn may take.
    startToCloseTimeout: '30 days',
    scheduleToStartTimeout: '1 minute',
    heartbeatTimeout: '10 seconds',
    retry: {
      ...{ initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
      maximumAttempts: 30,
    },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  return runAgentTurn(input);
}
