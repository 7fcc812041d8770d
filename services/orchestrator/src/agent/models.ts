// Which models there are: those that the operator has named, and "provider/model" of each provider with a key or an address.
//
// 1. Keys stay here: they are in no event, no history and no sandbox. Where a provider repeats one in what it says, it is masked.
// 2. What a provider answers is bounded before anything reads it: in all, and in bytes without a line end.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { LanguageModel, streamText } from 'ai';
import { costOf } from '@worktrail/runtime/model-prices';
import type { NamedModel } from '@worktrail/runtime/operator-config';
import type { TokenUsage } from '@worktrail/contract/turns';
import { boundedFetch } from './bounded-fetch.ts';

type Provider = NamedModel['provider'];
type ProviderOptions = NonNullable<Parameters<typeof streamText>[0]['providerOptions']>;

export interface ModelConfig {
  /** Of a server that speaks the API of OpenAI's chat completions; provider "custom". */
  url: string | undefined;
  /** For it. */
  urlKey: string | undefined;
  openaiKey: string | undefined;
  /** Where OpenAI's API of responses is, where not at home. */
  openaiUrl: string | undefined;
  anthropicKey: string | undefined;
  googleKey: string | undefined;
  named: Readonly<Record<string, NamedModel>>;
}

export interface OpenModel {
  model: LanguageModel;
  /** To go with each call. */
  options: ProviderOptions;
  /** null: not known. */
  contextTokens: number | null;
  outputTokensMax: number | null;
  /** 0 where it has no price. */
  costUsd(usage: Omit<TokenUsage, 'costUsd'>): number;
}

export interface Models {
  /** What is to be said where there is none of that name. */
  open(name: string): OpenModel | { missing: string };
  /** 'unknown' where there is none of that name. */
  providerOf(name: string): string;
  /** A text without keys. */
  mask(text: string): string;
}

/** Nothing of a conversation is kept there: it is told whole each time, and refers to nothing that a provider has. */
const openaiOptions: ProviderOptions = { openai: { store: false } };

/** What gives access to a provider. */
const variables: Readonly<Record<Provider, string>> = {
  custom: 'WORKTRAIL_MODEL_URL',
  openai: 'OPENAI_API_KEY',
  anthropic: 'ANTHROPIC_API_KEY',
  google: 'GOOGLE_API_KEY',
};

export function createModels({ named, ...config }: ModelConfig): Models {
  const { url, urlKey, openaiKey, openaiUrl, anthropicKey, googleKey } = config;
  const fetch = boundedFetch();
  const providers = new Map<Provider, (id: string) => LanguageModel>();
  const compatible = (name: string, baseURL: string, apiKey: string | undefined) =>
    createOpenAICompatible({ name, baseURL, fetch, ...(apiKey !== undefined && { apiKey }), includeUsage: true });
  if (url !== undefined) providers.set('custom', compatible('custom', url, urlKey));
  // Not as the library has it: its own default is a variable that might be meant for something else.
  if (openaiKey !== undefined) {
    const openai = createOpenAI({ baseURL: openaiUrl ?? 'https://api.openai.com/v1', apiKey: openaiKey, fetch });
    providers.set('openai', (id) => openai.responses(id));
  }
  if (anthropicKey !== undefined) providers.set('anthropic', createAnthropic({ apiKey: anthropicKey, fetch }));
  if (googleKey !== undefined) providers.set('google', createGoogleGenerativeAI({ apiKey: googleKey, fetch }));
  const keys = [urlKey, openaiKey, anthropicKey, googleKey].filter((key) => key !== undefined);

  const specOf = (name: string) => (Object.hasOwn(named, name) ? named[name] : byProvider(name));
  return {
    open: (name) => {
      const spec = specOf(name);
      if (!spec) {
        const known = [...Object.keys(named), ...[...providers.keys()].map((one) => `${one}/…`)].join(', ');
        return { missing: `there is no model "${name}"; there are: ${known || 'none, the operator has given no key'}` };
      }
      const open = providers.get(spec.provider);
      if (!open) {
        return {
          missing: `the model "${name}" is of "${spec.provider}", for which ${variables[spec.provider]} is not set`,
        };
      }
      const { id, contextTokens, outputTokensMax, price } = spec;
      const options = spec.provider === 'openai' ? openaiOptions : {};
      return { model: open(id), options, contextTokens, outputTokensMax, costUsd: (usage) => costOf(price, usage) };
    },
    providerOf: (name) => specOf(name)?.provider ?? 'unknown',
    mask: (text) => keys.reduce((masked, key) => masked.replaceAll(key, '*'.repeat(key.length)), text),
  };
}

function byProvider(name: string): NamedModel | undefined {
  const [, provider = '', id = ''] = /^([^/]+)\/(.+)$/.exec(name) ?? [];
  if (!Object.hasOwn(variables, provider)) return undefined;
  return { provider: provider as Provider, id, contextTokens: null, outputTokensMax: null, price: null };
}
