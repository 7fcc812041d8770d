// The activities of the built-in agent, as this process does them.

import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import type { Metrics } from '@worktrail/runtime/metrics';
import type { AgentActivities, ConcludeCommandInput } from './agent-activities.ts';
import { measureModelSteps } from './agent-metrics.ts';
import type { AppendedDrafts } from './appended-drafts.ts';
import { beating } from './beating.ts';
import { concludeCommand } from './conclude-command.ts';
import { createConversationReader } from './conversation-reader.ts';
import { makeModelStep } from './model-step.ts';
import type { Models } from './models.ts';

export interface AgentDeps {
  producer: ProducerDeps;
  trace: TraceClient;
  appended: AppendedDrafts;
  models: Models;
  metrics: Metrics;
}

export function createAgentActivities({ producer, trace, appended, models, metrics }: AgentDeps): AgentActivities {
  const conversations = createConversationReader(trace, producer.jsm);
  const conclude = (input: ConcludeCommandInput, signal: AbortSignal) =>
    concludeCommand({ producer, trace, clock: Date.now }, input, signal);
  const stepDeps = { producer, conversations, appended, conclude, models, clock: Date.now };
  const activities: AgentActivities = {
    modelStep: beating((input, attempt, signal) => makeModelStep(stepDeps, input, attempt, signal)),
    concludeCommand: beating((input, _, signal) => conclude(input, signal)),
  };
  return measureModelSteps(activities, models, metrics);
}
