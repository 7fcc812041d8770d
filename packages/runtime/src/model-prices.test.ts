// What a call of a model costs, by what the operator has said of prices.

import { expect, it } from 'vitest';
import { costOf, priceOf } from './model-prices.ts';

const price = { input: 2, cachedInput: 0.5, output: 10 };
const spec = { contextTokens: null, outputTokensMax: null, price };
const named = {
  fast: { ...spec, provider: 'custom', id: 'small' },
  'openai/known': { ...spec, provider: 'openai', id: 'known', price: null },
  other: { ...spec, provider: 'openai', id: 'known' },
} as const;

it('cached tokens have their own price, and a model without one costs nothing', () => {
  const usage = { inputTokens: 1_000_000, cachedInputTokens: 400_000, outputTokens: 100_000 };
  expect(costOf(price, usage)).toBeCloseTo(0.6 * 2 + 0.4 * 0.5 + 1);
  expect(costOf({ input: 2, output: 10 }, usage)).toBeCloseTo(3);
  expect(costOf(null, usage)).toBe(0);
  expect(costOf(price, { ...usage, cachedInputTokens: 5_000_000 })).toBeCloseTo(0.5 + 1);
});

it("a model's price is found by its provider and the id that it answers with, with or without the date of its version", () => {
  for (const id of ['small', 'small-20260930', 'small-2026-09-30', 'small@20260930', 'small-001'])
    expect([id, priceOf(named, 'custom', [id])]).toEqual([id, price]);
  expect(priceOf(named, 'custom', ['other', 'small'])).toBe(price);
  // It is named twice, once without a price.
  expect(priceOf(named, 'openai', ['known'])).toBe(price);
  for (const id of ['small-mini', 'smaller', 'fast', '', 'toString']) expect(priceOf(named, 'custom', [id])).toBeNull();
  expect(priceOf(named, 'openai', ['small'])).toBeNull();
});
