import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { createMetrics } from '@worktrail/runtime/metrics';
import { expect, test } from 'vitest';
import type { AgentActivities } from './agent-activities.ts';
import { measureModelSteps } from './agent-metrics.ts';
import type { ModelStepInput, ModelStepResult } from './model-step-messages.ts';

const input = (model: string) => ({ model }) as ModelStepInput;

test('calls of models are counted by how they came out, and tokens by kind, whatever name was asked for', async () => {
  const usage = { inputTokens: 100, cachedInputTokens: 40, outputTokens: 10, costUsd: 0 };
  const outcomes: (ModelStepResult | Error)[] = [
    { finish: 'stop', usage, tools: [] },
    ApplicationFailure.create({ type: 'model_unavailable' }),
    ApplicationFailure.create({ type: 'model_refused' }),
    new CancelledFailure('stopped'),
    new Error('anything'),
  ];
  const modelStep = async () => {
    const outcome = outcomes.shift()!;
    if (outcome instanceof Error) throw outcome;
    return outcome;
  };
  const metrics = createMetrics('test');
  const measured = measureModelSteps(
    { modelStep } as unknown as AgentActivities,
    { providerOf: (name) => (name.startsWith('custom/') ? 'custom' : 'unknown') },
    metrics,
  );
  await measured.modelStep(input('custom/scripted'));
  for (const model of ['custom/scripted', 'no-such/model', 'custom/scripted', 'custom/scripted']) {
    await measured.modelStep(input(model)).catch(() => undefined);
  }
  const lines = (await metrics.metrics()).split('\n');
  const value = (name: string, ...labels: string[]) =>
    lines.find((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))?.split(' ')[1];
  const calls = (provider: string, result: string) =>
    value('worktrail_model_step_seconds_count', `provider="${provider}"`, `result="${result}"`);
  for (const result of ['ok', 'model_unavailable', 'canceled', 'failed']) expect(calls('custom', result)).toBe('1');
  expect(calls('unknown', 'model_refused')).toBe('1');
  const tokens = (kind: string) => value('worktrail_model_tokens_total', `kind="${kind}"`);
  expect(['input', 'cached_input', 'output'].map(tokens)).toEqual(['60', '40', '10']);
});
