import { expect, test } from 'vitest';
import { chooseModel, describeModel } from './model-choice.ts';

const nothing = { url: null, default: null };

test('without key and address the model is scripted, which is said, and how to have another', () => {
  const choice = chooseModel({ OPENAI_API_KEY: '' }, nothing);
  expect(choice).toEqual({ kind: 'scripted' });
  for (const said of ['scripted', 'ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'GOOGLE_API_KEY', 'WORKTRAIL_MODEL_URL']) {
    expect(describeModel(choice)).toContain(said);
  }
});

test('a model that is named is taken, whatever else is set', () => {
  const choice = chooseModel({ OPENAI_API_KEY: 'k' }, { url: 'http://m:1/v1', default: 'custom/small' });
  expect(choice).toEqual({ kind: 'named', name: 'custom/small' });
  expect(describeModel(choice)).toBe('The model is custom/small.');
});

test.each([
  [{ ANTHROPIC_API_KEY: 'k' }, nothing, ['anthropic']],
  [{ OPENAI_API_KEY: 'k', GOOGLE_API_KEY: 'k' }, nothing, ['openai', 'google']],
  [{}, { url: 'http://m:1/v1', default: null }, ['custom']],
])('with a key or an address and no name, none is chosen for the operator: %j', (env, model, providers) => {
  const choice = chooseModel(env, model);
  expect(choice).toEqual({ kind: 'unnamed', providers });
  expect(describeModel(choice)).toContain(`${providers[0]}/…`);
});

test('no key is ever shown', () => {
  for (const model of [nothing, { url: null, default: 'openai/x' }]) {
    expect(describeModel(chooseModel({ OPENAI_API_KEY: 'sk-secret' }, model))).not.toContain('sk-secret');
  }
});
