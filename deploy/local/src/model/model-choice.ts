/**
 * Which model a cluster answers messages with, and what its operator is told of it.
 *
 * A model is never chosen for who has given a key: which one it is, and what it costs, is theirs to say.
 */
import type { OperatorConfig } from '@worktrail/runtime/operator-config';

export type ModelChoice =
  /** Nothing is configured: prepared answers are played back. */
  | { kind: 'scripted' }
  | { kind: 'named'; name: string }
  /** There are models, and none that is meant where a message names none. */
  | { kind: 'unnamed'; providers: string[] };

export const SCRIPTED_MODEL = 'custom/scripted';

const PROVIDER_OF_KEY: Record<string, string> = {
  ANTHROPIC_API_KEY: 'anthropic',
  OPENAI_API_KEY: 'openai',
  GOOGLE_API_KEY: 'google',
};

/** @param model the operator's, from worktrail.yaml and the environment. */
export function chooseModel(
  env: NodeJS.ProcessEnv,
  model: Pick<OperatorConfig['model'], 'url' | 'default'>,
): ModelChoice {
  const withKey = Object.entries(PROVIDER_OF_KEY).flatMap(([key, provider]) => (env[key] ? [provider] : []));
  const providers = model.url === null ? withKey : ['custom', ...withKey];
  if (model.default !== null) return { kind: 'named', name: model.default };
  return providers.length > 0 ? { kind: 'unnamed', providers } : { kind: 'scripted' };
}

const HOW_TO_SET = `a key (${Object.keys(PROVIDER_OF_KEY).join(', ')}) or WORKTRAIL_MODEL_URL, and WORKTRAIL_MODEL_DEFAULT=provider/model`;

/** For people: which model it is, and how to have another. */
export function describeModel(choice: ModelChoice): string {
  switch (choice.kind) {
    case 'scripted':
      return `The model is scripted: it thinks nothing, and plays back prepared answers. For a real one set ${HOW_TO_SET}.`;
    case 'named':
      return `The model is ${choice.name}.`;
    case 'unnamed':
      return `No model answers messages that name none: set WORKTRAIL_MODEL_DEFAULT, to ${choice.providers
        .map((provider) => `${provider}/…`)
        .join(' or ')}.`;
  }
}
