// What the attempts of a trial may use together, and what they have used: as far as their sessions have told.

import type { TrialDocument } from '@worktrail/contract/documents';
import type { TrialSpec } from '@worktrail/contract/trial-messages';
import type { TurnUsage } from '@worktrail/contract/turns';

export type BudgetPart = 'tokens' | 'cost' | 'seconds';

interface Spender {
  spec: Pick<TrialSpec, 'budget' | 'createdAt'>;
  attempts: readonly { turn: { usage: TurnUsage } | null }[];
}

export function usageOf({ attempts }: Pick<Spender, 'attempts'>): TrialDocument['usage'] {
  const usages = attempts.flatMap(({ turn }) => (turn ? [turn.usage] : []));
  return {
    tokens: usages.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0),
    costUsd: usages.reduce((sum, { costUsd }) => sum + costUsd, 0),
  };
}

/** What leaves no room for another step of a turn; null: nothing. */
export function budgetUsedUp(state: Spender): Exclude<BudgetPart, 'seconds'> | null {
  const { tokens = Infinity, costUsd = Infinity } = state.spec.budget ?? {};
  const used = usageOf(state);
  if (used.tokens >= tokens) return 'tokens';
  return used.costUsd >= costUsd ? 'cost' : null;
}

/** It costs its sessions a message for each step, so they tell of these only where it matters. */
export function countsSteps({ spec }: Pick<Spender, 'spec'>): boolean {
  return spec.budget?.tokens !== undefined || spec.budget?.costUsd !== undefined;
}

/** When its time is over. */
export function budgetEndsAtMs({ spec }: Pick<Spender, 'spec'>): number {
  return Date.parse(spec.createdAt) + (spec.budget?.seconds ?? Infinity) * 1_000;
}

export function describeBudget(state: Spender, part: BudgetPart): string {
  const { tokens, costUsd, seconds } = state.spec.budget ?? {};
  const used = usageOf(state);
  const how = {
    tokens: `${used.tokens} of ${tokens} tokens`,
    cost: `$${used.costUsd.toFixed(4)} of $${costUsd}`,
    seconds: `${seconds} seconds are over`,
  };
  return `the budget of the trial is used up: ${how[part]}`;
}
