// When the budget of a trial is used up.

import type { TrialBudget } from '@worktrail/contract/documents';
import { expect, it } from 'vitest';
import { budgetUsedUp } from './budget.ts';

it.each([
  [{ tokens: 31 }, null],
  [{ tokens: 30 }, 'tokens'],
  [{ costUsd: 0.6 }, null],
  [{ costUsd: 0.5 }, 'cost'],
  [{ tokens: 30, costUsd: 0.5 }, 'tokens'],
  [{}, null],
] as [TrialBudget, string | null][])('of %o after 30 tokens for half a dollar: %s', (budget, part) => {
  const usage = { steps: 1, inputTokens: 10, outputTokens: 5, cachedInputTokens: 0, costUsd: 0.25 };
  const attempts = [{ turn: { usage } }, { turn: null }, { turn: { usage } }];
  expect(budgetUsedUp({ spec: { budget, createdAt: '2026-01-01T00:00:00.000Z' }, attempts })).toBe(part);
});
