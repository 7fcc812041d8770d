// The worker of the agent's queue.

import { Context } from '@temporalio/activity';
import { type NativeConnection, Worker } from '@temporalio/worker';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import { type AgentActivities, agentTaskQueue } from './agent-activities.ts';
import { concludeCommand } from './conclude-command.ts';
import { askForSuggestions, type SuggestActivities } from '../scan/model-suggestions.ts';
import { createConversationReader } from './conversation-reader.ts';
import { makeModelStep } from './model-step.ts';
import type { Models } from './models.ts';

export interface AgentWorkerDeps {
  connection: NativeConnection;
  namespace: string;
  producer: ProducerDeps;
  trace: TraceClient;
  models: Models;
}

const beatMs = 500;
/** They wait for the network most of the time. */
const stepsAtOnceMax = 500;

export async function createAgentWorker(deps: AgentWorkerDeps): Promise<Worker> {
  return await Worker.create({
    connection: deps.connection,
    namespace: deps.namespace,
    taskQueue: agentTaskQueue,
    activities: createAgentActivities(deps),
    maxConcurrentActivityTaskExecutions: stepsAtOnceMax,
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 10 },
    // A cancel reaches a step with its beats.
    maxHeartbeatThrottleInterval: '500 milliseconds',
    shutdownGraceTime: '5 seconds',
  });
}

function createAgentActivities({ producer, trace, models }: AgentWorkerDeps): AgentActivities & SuggestActivities {
  const conversations = createConversationReader(trace);
  const stepDeps = { producer, conversations, models, clock: Date.now };
  return {
    modelStep: beating((input, attempt, signal) => makeModelStep(stepDeps, input, attempt, signal)),
    concludeCommand: beating((input, _, signal) =>
      concludeCommand({ producer, trace, clock: Date.now }, input, signal),
    ),
    askForSuggestions: beating((input, _, signal) => askForSuggestions(models, input, { signal, clock: Date.now })),
  };
}

function beating<Input, Output>(
  work: (input: Input, attempt: number, signal: AbortSignal) => Promise<Output>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(), beatMs);
    try {
      return await work(input, context.info.attempt, context.cancellationSignal);
    } finally {
      clearInterval(timer);
    }
  };
}
