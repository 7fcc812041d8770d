// The list of models.

import { expect, it } from 'vitest';
import { modelList } from './model-routes.ts';

const fast = {
  provider: 'custom',
  ...{ id: 'small', contextTokens: 8_000, outputTokensMax: 1_000 },
  price: { input: 2, output: 10 },
} as const;

it('has the default first, priced or not, with what is known of each', () => {
  expect(modelList({ url: null, default: 'anthropic/big', models: { fast } })).toEqual([
    {
      ...{ name: 'anthropic/big', provider: 'anthropic', contextTokens: null, outputTokensMax: null },
      ...{ price: null, isDefault: true },
    },
    {
      ...{ name: 'fast', provider: 'custom', contextTokens: 8_000, outputTokensMax: 1_000, isDefault: false },
      price: { input: 2, cachedInput: 2, output: 10 },
    },
  ]);
  expect(
    modelList({ url: null, default: 'fast', models: { fast } }).map(({ name, isDefault }) => [name, isDefault]),
  ).toEqual([['fast', true]]);
  expect(modelList({ url: null, default: null, models: {} })).toEqual([]);
});
