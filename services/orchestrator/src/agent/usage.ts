// What calls of a model took, between numbers and the wire.

import type { TokenUsage } from '@worktrail/contract/turns';
import type { Usage } from '@worktrail/proto/event';

export function readUsage(usage: Usage | undefined): TokenUsage {
  return {
    inputTokens: Number(usage?.inputTokens ?? 0n),
    outputTokens: Number(usage?.outputTokens ?? 0n),
    cachedInputTokens: Number(usage?.cachedInputTokens ?? 0n),
    costUsd: usage?.costUsd ?? 0,
  };
}

export function usageMessage(model: string, { inputTokens, outputTokens, cachedInputTokens, costUsd }: TokenUsage) {
  return {
    model,
    inputTokens: BigInt(inputTokens),
    outputTokens: BigInt(outputTokens),
    cachedInputTokens: BigInt(cachedInputTokens),
    costUsd,
  };
}

export function addUsage(...usages: readonly TokenUsage[]): TokenUsage {
  const sum = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };
  for (const usage of usages) {
    sum.inputTokens += usage.inputTokens;
    sum.outputTokens += usage.outputTokens;
    sum.cachedInputTokens += usage.cachedInputTokens;
    sum.costUsd += usage.costUsd;
  }
  return sum;
}

/** How much more the first is, in each of its parts. */
export function usageBeyond(usage: TokenUsage, known: TokenUsage): TokenUsage {
  return {
    inputTokens: Math.max(0, usage.inputTokens - known.inputTokens),
    outputTokens: Math.max(0, usage.outputTokens - known.outputTokens),
    cachedInputTokens: Math.max(0, usage.cachedInputTokens - known.cachedInputTokens),
    costUsd: Math.max(0, usage.costUsd - known.costUsd),
  };
}
