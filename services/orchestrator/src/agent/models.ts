// Which models there are: those of the providers that the operator has given a key or an address.
//
// A model is named "provider/model". Keys stay here: they are in no event, no history and no sandbox.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { LanguageModel } from 'ai';

export interface ModelConfig {
  /** Of a server that speaks the API of OpenAI's chat completions; provider "custom". */
  url: string | undefined;
  /** For it. */
  urlKey: string | undefined;
  openaiKey: string | undefined;
  anthropicKey: string | undefined;
  googleKey: string | undefined;
}

export interface Models {
  readonly providers: readonly string[];
  /** undefined: there is none of that name. */
  open(name: string): LanguageModel | undefined;
}

export function createModels({ url, urlKey, openaiKey, anthropicKey, googleKey }: ModelConfig): Models {
  const providers = new Map<string, (id: string) => LanguageModel>();
  const compatible = (name: string, baseURL: string, apiKey: string | undefined) =>
    createOpenAICompatible({ name, baseURL, ...(apiKey !== undefined && { apiKey }), includeUsage: true });
  if (url !== undefined) providers.set('custom', compatible('custom', url, urlKey));
  if (openaiKey !== undefined) providers.set('openai', compatible('openai', 'https://api.openai.com/v1', openaiKey));
  if (anthropicKey !== undefined) providers.set('anthropic', createAnthropic({ apiKey: anthropicKey }));
  if (googleKey !== undefined) providers.set('google', createGoogleGenerativeAI({ apiKey: googleKey }));
  return {
    providers: [...providers.keys()],
    open: (name) => {
      const slash = name.indexOf('/');
      return slash > 0 ? providers.get(name.slice(0, slash))?.(name.slice(slash + 1)) : undefined;
    },
  };
}
