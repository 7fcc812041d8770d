import { expect, test } from 'vitest';
import { type ModelAccess, modelVariables, planModelCall } from './model-calls.ts';

const none: ModelAccess = {
  ...{ url: undefined, urlKey: undefined, openaiKey: undefined, openaiUrl: undefined },
  ...{ anthropicKey: undefined, anthropicUrl: undefined, googleKey: undefined, googleUrl: undefined },
};
const all: ModelAccess = { ...none, openaiKey: 'sk-o', anthropicKey: 'sk-a', googleKey: 'sk-g' };
const headers = {
  authorization: 'Bearer mine',
  'x-api-key': 'mine',
  'x-goog-api-key': 'mine',
  'anthropic-version': '2023-06-01',
  'content-type': 'application/json',
  cookie: 'c',
  host: 'h',
};

function plan(url: string, { access = all, method = 'POST' } = {}) {
  const planned = planModelCall(access, { method, url, headers });
  return 'call' in planned ? { to: planned.call.url.href, headers: planned.call.headers } : planned.reason;
}

test('a call goes to its provider with the key of the operator in place of any other, and with the headers of its API alone', () => {
  const common = { 'content-type': 'application/json', 'accept-encoding': 'identity' };
  expect(plan('/v1/chat/completions')).toEqual({
    to: 'https://api.openai.com/v1/chat/completions',
    headers: { ...common, authorization: 'Bearer sk-o' },
  });
  expect(plan('/anthropic/v1/messages')).toEqual({
    to: 'https://api.anthropic.com/v1/messages',
    headers: { ...common, 'x-api-key': 'sk-a', 'anthropic-version': '2023-06-01' },
  });
  expect(plan('/google/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse&key=mine')).toEqual({
    to: 'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse',
    headers: { ...common, 'x-goog-api-key': 'sk-g' },
  });
});

test("the operator's own server takes the place of OpenAI, with its own key or none", () => {
  const access = { ...all, url: 'http://models.internal:8080/api/v1/' };
  expect(plan('/v1/models', { access, method: 'GET' })).toMatchObject({
    to: 'http://models.internal:8080/api/v1/models',
  });
  expect(plan('/v1/responses', { access })).not.toHaveProperty('headers.authorization');
  expect(plan('/v1/responses', { access: { ...access, urlKey: 'k' } })).toHaveProperty(
    'headers.authorization',
    'Bearer k',
  );
});

test.each([
  ...[
    '/',
    '/v1',
    '/v1/files',
    '/v1/chat/completions/x',
    '/v1/../v1/files',
    '/v1/%2e%2e/files',
    '/v1//chat/completions',
    '/v2/chat/completions',
  ],
  ...[
    '/anthropic/v1/messages/batches',
    '/anthropic/v1/organizations',
    '/google/v1beta/files',
    '/google/v1beta/models/a:delete',
  ],
  ...[
    '/google/v1beta/models/../files:generateContent',
    '//api.openai.com/v1/files',
    '/v1/chat/completions%2f..%2ffiles',
    '/v1\\files',
  ],
])('POST %s is no call of a model', (url) => {
  expect(plan(url)).toBe('model_path');
});

test('GET and DELETE are no calls but for lists of models', () => {
  expect(plan('/v1/chat/completions', { method: 'GET' })).toBe('model_path');
  expect(plan('/v1/models/gpt-x', { method: 'DELETE' })).toBe('model_path');
  expect(plan('/v1/models/org/model-1.5:free', { method: 'GET' })).toMatchObject({
    to: 'https://api.openai.com/v1/models/org/model-1.5:free',
  });
});

test('without a key there is no provider, and nothing of it in the environment; a real key never is', () => {
  expect(plan('/v1/chat/completions', { access: none })).toBe('model_missing');
  expect(modelVariables(none, 1)).toEqual({});
  expect(Object.keys(modelVariables({ ...none, anthropicKey: 'sk-a' }, 1))).toEqual([
    'ANTHROPIC_BASE_URL',
    'ANTHROPIC_API_KEY',
  ]);
  expect(JSON.stringify(modelVariables(all, 1))).not.toContain('sk-');
});
