// What calls of models cost: by the operator's prices and nothing else, wherever the call is made.

import type { TokenUsage } from '@worktrail/contract/turns';
import type { NamedModel } from './operator-config.ts';

/** 0 without a price. Cached input tokens are among the input tokens. */
export function costOf(
  price: NamedModel['price'],
  { inputTokens, cachedInputTokens, outputTokens }: Omit<TokenUsage, 'costUsd'>,
): number {
  if (!price) return 0;
  const cached = Math.min(cachedInputTokens, inputTokens);
  const { input, output, cachedInput = input } = price;
  return ((inputTokens - cached) * input + cached * cachedInput + outputTokens * output) / 1_000_000;
}

/** As providers put it behind an id: of "gpt-5" the answer comes from "gpt-5-2025-08-07". */
const version = /[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{3})$/;

/** Of the model that answers to one of these ids, the first that has one; null: none has. */
export function priceOf(
  named: Readonly<Record<string, NamedModel>>,
  provider: NamedModel['provider'],
  ids: readonly string[],
): NamedModel['price'] {
  const priced = Object.values(named).filter((model) => model.provider === provider && model.price !== null);
  for (const id of ids.flatMap((one) => [one, one.replace(version, '')])) {
    const found = priced.find((model) => model.id === id);
    if (found) return found.price;
  }
  return null;
}
