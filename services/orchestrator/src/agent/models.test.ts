// Which models there are.

import { expect, it } from 'vitest';
import { boundedFetch } from './bounded-fetch.ts';
import { createModels } from './models.ts';

const none = {
  ...{ url: undefined, urlKey: undefined, openaiKey: undefined, openaiUrl: undefined },
  ...{ anthropicKey: undefined, googleKey: undefined },
};
const price = { input: 2, cachedInput: 0.5, output: 10 };
const named = {
  fast: { provider: 'custom', id: 'small', contextTokens: 8_000, outputTokensMax: 1_000, price },
  'openai/known': { provider: 'openai', id: 'known', contextTokens: 9_000, outputTokensMax: null, price: null },
} as const;

it('a model is opened by the name that the operator gave it, or by its provider', () => {
  const models = createModels({ ...none, url: 'http://x/v1', openaiKey: 'sk-secret', named });
  expect(models.open('fast')).toMatchObject({ contextTokens: 8_000, outputTokensMax: 1_000 });
  expect(models.open('custom/other')).toMatchObject({ contextTokens: null });
  expect(models.open('openai/known')).toMatchObject({ contextTokens: 9_000 });
});

it('what is missing is named, with the variable that would give it', () => {
  const models = createModels({ ...none, named });
  expect(models.open('anthropic/x')).toEqual({ missing: expect.stringContaining('ANTHROPIC_API_KEY') });
  expect(models.open('fast')).toEqual({ missing: expect.stringContaining('WORKTRAIL_MODEL_URL') });
  for (const name of ['slow', 'nobody/x', 'toString', '__proto__/x', '/', '']) {
    expect(models.open(name)).toEqual({
      missing: expect.stringContaining(`no model "${name}"; there are: fast, openai/known`),
    });
  }
});

it('a text is without keys', () => {
  const models = createModels({ ...none, openaiKey: 'sk-secret', named });
  expect(models.mask('wrong key sk-secret!')).toBe('wrong key *********!');
});

it('an answer is read up to a bound, in all and without a line end', async () => {
  const answering = (text: string) => boundedFetch({ bytesMax: 100, lineBytesMax: 20 }, async () => new Response(text));
  const read = async (text: string) => await (await answering(text)('http://x')).text();
  const lines = 'ten bytes\n'.repeat(10);
  expect(await read(lines)).toBe(lines);
  await expect(read(`${lines}x`)).rejects.toThrow("the model's answer is");
  await expect(read('x'.repeat(21))).rejects.toThrow("the model's answer is");
});
