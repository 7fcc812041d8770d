// The activities of the built-in agent, as this process does them: each says that it lives, which is also how it hears of a cancel.

import { Context } from '@temporalio/activity';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import type { Metrics } from '@worktrail/runtime/metrics';
import type { AgentActivities } from './agent-activities.ts';
import { measureModelSteps } from './agent-metrics.ts';
import { concludeCommand } from './conclude-command.ts';
import { askForSuggestions, type SuggestActivities } from '../scan/model-suggestions.ts';
import { createConversationReader } from './conversation-reader.ts';
import { makeModelStep } from './model-step.ts';
import type { Models } from './models.ts';

export interface AgentDeps {
  producer: ProducerDeps;
  trace: TraceClient;
  models: Models;
  metrics: Metrics;
}

const beatMs = 500;

export function createAgentActivities({
  producer,
  trace,
  models,
  metrics,
}: AgentDeps): AgentActivities & SuggestActivities {
  const conversations = createConversationReader(trace, producer.jsm);
  const stepDeps = { producer, conversations, models, clock: Date.now };
  const activities: AgentActivities = {
    modelStep: beating((input, attempt, signal) => makeModelStep(stepDeps, input, attempt, signal)),
    concludeCommand: beating((input, _, signal) =>
      concludeCommand({ producer, trace, clock: Date.now }, input, signal),
    ),
  };
  return {
    ...measureModelSteps(activities, models, metrics),
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
