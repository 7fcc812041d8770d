// Which requests of a sandbox are calls of a model, and where they go. Pure.
//
// 1. A closed list of calls: with the operator's key nothing of the provider's account is within reach but its models.
// 2. The key stands in what goes out and nowhere else; whatever key the caller sent does not.
// 3. Only headers that calls need go out or come back.

import type { IncomingHttpHeaders } from 'node:http';
import type { NamedModel } from '@worktrail/runtime/operator-config';

export interface ModelAccess {
  /** A server that speaks OpenAI's API, in place of OpenAI. */
  url: string | undefined;
  urlKey: string | undefined;
  openaiKey: string | undefined;
  anthropicKey: string | undefined;
  googleKey: string | undefined;
  /** Where their APIs are, where not at home. */
  openaiUrl: string | undefined;
  anthropicUrl: string | undefined;
  googleUrl: string | undefined;
}

export type ModelApi = 'openai' | 'anthropic' | 'google';

export interface ModelCall {
  /** As the operator's models are named after. */
  provider: NamedModel['provider'];
  url: URL;
  headers: Record<string, string>;
  /** The request's body says whether usage comes with a stream. */
  isChatCompletion: boolean;
  /** Where the address has it. */
  model: string;
}

export type PlannedCall = { call: ModelCall } | { reason: 'model_path' | 'model_missing' };

interface Surface {
  api: ModelApi;
  /** In the sandbox. */
  prefix: string;
  /** Below the prefix. */
  calls: readonly { method: string; path: RegExp }[];
  headers: readonly string[];
}

const surfaces: readonly Surface[] = [
  {
    api: 'openai',
    prefix: '/v1',
    calls: [
      { method: 'POST', path: /^\/(?:chat\/completions|completions|responses|embeddings)$/ },
      { method: 'GET', path: /^\/models(?:\/[\w.:@-]+)*$/ },
    ],
    headers: ['openai-beta'],
  },
  {
    api: 'anthropic',
    prefix: '/anthropic',
    calls: [
      { method: 'POST', path: /^\/v1\/messages(?:\/count_tokens)?$/ },
      { method: 'GET', path: /^\/v1\/models(?:\/[\w.:@-]+)?$/ },
    ],
    headers: ['anthropic-version', 'anthropic-beta'],
  },
  {
    api: 'google',
    prefix: '/google',
    calls: [
      {
        method: 'POST',
        path: /^\/v1(?:beta|alpha)?\/models\/[\w.@-]+:(?:generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents)$/,
      },
      { method: 'GET', path: /^\/v1(?:beta|alpha)?\/models(?:\/[\w.@-]+)?$/ },
    ],
    headers: [],
  },
];

const headersOut = ['content-type', 'accept', 'user-agent'];

/** Of an answer: what a client acts on. The rest tells of the operator's account. */
export const headersBack = [
  'content-type',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'x-request-id',
  'request-id',
];

export function planModelCall(
  access: ModelAccess,
  request: { method: string; url: string; headers: IncomingHttpHeaders },
): PlannedCall {
  const url = URL.parse(request.url, 'http://worktrail');
  const surface = surfaces.find(({ prefix }) => url?.pathname.startsWith(`${prefix}/`));
  const below = surface && url ? url.pathname.slice(surface.prefix.length) : '';
  if (!surface || !url || !surface.calls.some(({ method, path }) => method === request.method && path.test(below)))
    return { reason: 'model_path' };
  const base = baseOf(access, surface.api);
  if (!base) return { reason: 'model_missing' };
  const to = new URL(`${base.url.replace(/\/+$/, '')}${below}`);
  for (const name of ['alt', 'pageSize', 'pageToken', 'limit', 'after_id', 'before_id']) {
    const value = url.searchParams.get(name);
    if (value !== null) to.searchParams.set(name, value);
  }
  const headers: Record<string, string> = { ...base.keyHeader, 'accept-encoding': 'identity' };
  for (const name of [...headersOut, ...surface.headers]) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const model = /\/models\/([^/:]+)/.exec(below)?.[1] ?? '';
  const provider = surface.api === 'openai' && access.url !== undefined ? 'custom' : surface.api;
  return { call: { provider, url: to, headers, isChatCompletion: below === '/chat/completions', model } };
}

/** What commands find in their environment: where to call models, and something in place of a key. */
export function modelVariables(access: ModelAccess, port: number): Record<string, string> {
  const at = `http://127.0.0.1:${port}`;
  return {
    ...(baseOf(access, 'openai') && { OPENAI_BASE_URL: `${at}/v1`, OPENAI_API_KEY: placeholderKey }),
    ...(baseOf(access, 'anthropic') && {
      ANTHROPIC_BASE_URL: `${at}/anthropic`,
      ANTHROPIC_API_KEY: placeholderKey,
    }),
    ...(baseOf(access, 'google') && {
      GOOGLE_GEMINI_BASE_URL: `${at}/google`,
      GEMINI_API_KEY: placeholderKey,
      GOOGLE_API_KEY: placeholderKey,
    }),
  };
}

/** Nobody's key: clients will not start without one. */
const placeholderKey = 'key-is-added-outside-the-sandbox';

function baseOf(access: ModelAccess, api: ModelApi): { url: string; keyHeader: Record<string, string> } | undefined {
  const bearer = (key: string | undefined) => (key === undefined ? undefined : { authorization: `Bearer ${key}` });
  switch (api) {
    case 'openai':
      if (access.url !== undefined) return { url: access.url, keyHeader: bearer(access.urlKey) ?? {} };
      return keyed(access.openaiUrl ?? 'https://api.openai.com/v1', bearer(access.openaiKey));
    case 'anthropic':
      return keyed(
        access.anthropicUrl ?? 'https://api.anthropic.com',
        access.anthropicKey && { 'x-api-key': access.anthropicKey },
      );
    case 'google':
      return keyed(
        access.googleUrl ?? 'https://generativelanguage.googleapis.com',
        access.googleKey && { 'x-goog-api-key': access.googleKey },
      );
  }
}

function keyed(url: string, keyHeader: Record<string, string> | '' | undefined) {
  return keyHeader ? { url, keyHeader } : undefined;
}
