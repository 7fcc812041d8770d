import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { chooseModel, describeModel, MODEL_OF_KEY } from './model-choice.ts';

const nothing = { url: null, default: null };
const own = { url: 'http://m:1/v1', default: null };

test('without key and address the model is scripted, which is said, and how to have another', () => {
  const choice = chooseModel({ OPENAI_API_KEY: '' }, nothing, []);
  expect(choice).toEqual({ kind: 'scripted' });
  for (const said of ['scripted', 'ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'GOOGLE_API_KEY', 'WORKTRAIL_MODEL_URL']) {
    expect(describeModel(choice)).toContain(said);
  }
});

test('a model that is named is taken, whatever else is set', () => {
  const choice = chooseModel({ OPENAI_API_KEY: 'k' }, { ...own, default: 'custom/small' }, ['large']);
  expect(choice).toEqual({ kind: 'named', name: 'custom/small' });
  expect(describeModel(choice)).toBe('The model is custom/small.');
});

test("the operator's own server comes before keys, by the first model that it lists", () => {
  const choice = chooseModel({ ANTHROPIC_API_KEY: 'k' }, own, ['large', 'small']);
  expect(choice).toMatchObject({ kind: 'chosen', name: 'custom/large' });
  expect(describeModel(chooseModel({}, own, []))).toMatch(/http:\/\/m:1\/v1 lists no models.*WORKTRAIL_MODEL_DEFAULT/);
});

test.each(Object.entries(MODEL_OF_KEY))('with %s it is %s, which is said, and why', (key, name) => {
  const choice = chooseModel({ [key]: 'sk-secret' }, nothing, []);
  expect(choice).toMatchObject({ kind: 'chosen', name });
  expect(describeModel(choice)).toBe(
    `The model is ${name}, because ${key} is set; another by WORKTRAIL_MODEL_DEFAULT=provider/model.`,
  );
});

test('each model that is chosen is one that the pinned library knows by that name', async () => {
  const declared = await Promise.all(
    ['@ai-sdk/anthropic', '@ai-sdk/google', '@ai-sdk/gateway'].map((name) => {
      const require = createRequire(new URL('../../../../services/orchestrator/package.json', import.meta.url));
      return readFile(require.resolve(name).replace(/\.[cm]?js$/, '.d.ts'), 'utf8');
    }),
  );
  const known = declared.join('\n');
  for (const name of Object.values(MODEL_OF_KEY)) {
    const [, id] = /^\w+\/(.+)$/.exec(name)!;
    expect([known.includes(`'${id}'`), known.includes(`'${name}'`)], name).toContain(true);
  }
});
