// How turns go: calls of models by how they came out, with their time and tokens. By provider: models are named by whoever sends a message.

import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Metrics } from '@worktrail/runtime/metrics';
import { Counter, Histogram } from 'prom-client';
import type { AgentActivities } from './agent-activities.ts';
import type { Models } from './models.ts';
import type { ModelStepInput, ModelStepResult } from './model-step-messages.ts';

type ModelStep = (input: ModelStepInput) => Promise<ModelStepResult>;

export function measureModelSteps(
  activities: AgentActivities,
  models: Pick<Models, 'providerOf'>,
  metrics: Metrics,
): AgentActivities {
  const seconds = new Histogram({
    name: 'worktrail_model_step_seconds',
    help: 'Time of a call of a model until its answer is written down; "model_unavailable" is tried again',
    labelNames: ['provider', 'result'],
    buckets: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
    registers: [metrics],
  });
  const tokens = new Counter({
    name: 'worktrail_model_tokens_total',
    help: 'Tokens of answers that were written down',
    labelNames: ['provider', 'kind'],
    registers: [metrics],
  });
  const measured = async (step: ModelStep, input: ModelStepInput): Promise<ModelStepResult> => {
    const provider = models.providerOf(input.model);
    const stop = seconds.startTimer({ provider });
    try {
      const result = await step(input);
      stop({ result: 'ok' });
      const { inputTokens, cachedInputTokens, outputTokens } = result.usage;
      tokens.inc({ provider, kind: 'input' }, inputTokens - cachedInputTokens);
      tokens.inc({ provider, kind: 'cached_input' }, cachedInputTokens);
      tokens.inc({ provider, kind: 'output' }, outputTokens);
      return result;
    } catch (error) {
      stop({ result: resultOf(error) });
      throw error;
    }
  };
  return { ...activities, modelStep: (input) => measured(activities.modelStep, input) };
}

/** The class by which it is tried again, or not. */
function resultOf(error: unknown): string {
  if (error instanceof CancelledFailure) return 'canceled';
  return (error instanceof ApplicationFailure && error.type) || 'failed';
}
