/**
 * Which model a cluster of `npm start` answers messages with where its operator has named none, and what they are told of it
 * (docs/decisions/0038-which-model-npm-start-uses.md).
 *
 * 1. What is named counts. Else the operator's own server, by the first model that it lists; else a provider whose key is set.
 * 2. With none of them a scripted one. Which it is, and how to have another, is always said.
 */
import type { OperatorConfig } from '@worktrail/runtime/operator-config';

export type ModelChoice =
  /** Nothing is configured: prepared answers are played back. */
  | { kind: 'scripted' }
  /** By the operator. */
  | { kind: 'named'; name: string }
  | { kind: 'chosen'; name: string; because: string }
  /** The operator's server lists none. */
  | { kind: 'unknown'; url: string };

export const SCRIPTED_MODEL = 'custom/scripted';

/** By the variable of the key, in this order: of each a name that stays while the models behind it, or beside it, are replaced. */
export const MODEL_OF_KEY: Readonly<Record<string, string>> = {
  ANTHROPIC_API_KEY: 'anthropic/claude-sonnet-5-5',
  OPENAI_API_KEY: 'openai/gpt-5',
  GOOGLE_API_KEY: 'google/gemini-flash-latest',
};

/** @param served what the server of `model.url` lists. */
export function chooseModel(
  env: NodeJS.ProcessEnv,
  model: Pick<OperatorConfig['model'], 'url' | 'default'>,
  served: readonly string[],
): ModelChoice {
  if (model.default !== null) return { kind: 'named', name: model.default };
  if (model.url !== null) {
    const [first] = served;
    if (first === undefined) return { kind: 'unknown', url: model.url };
    return { kind: 'chosen', name: `custom/${first}`, because: 'it is the first that WORKTRAIL_MODEL_URL lists' };
  }
  for (const [key, name] of Object.entries(MODEL_OF_KEY))
    if (env[key]) return { kind: 'chosen', name, because: `${key} is set` };
  return { kind: 'scripted' };
}

const ANOTHER = 'WORKTRAIL_MODEL_DEFAULT=provider/model';

/** For people. */
export function describeModel(choice: ModelChoice): string {
  switch (choice.kind) {
    case 'scripted':
      return `The model is scripted: it thinks nothing, and plays back prepared answers. For a real one set ${Object.keys(MODEL_OF_KEY).join(', ')} or WORKTRAIL_MODEL_URL.`;
    case 'named':
      return `The model is ${choice.name}.`;
    case 'chosen':
      return `The model is ${choice.name}, because ${choice.because}; another by ${ANOTHER}.`;
    case 'unknown':
      return `No model answers messages that name none: ${choice.url} lists no models. Name one by ${ANOTHER}.`;
  }
}
