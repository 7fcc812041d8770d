// The orchestrator's configuration: what every service reads, two variables of its own, and the operator's patience.

import { readEnvironment, readTogether, type ServiceConfig, serviceConfig } from '@worktrail/runtime/environment';
import { readOperatorSettings } from '@worktrail/runtime/operator-config';
import type { SecretsKey } from '@worktrail/runtime/secret-box';
import { z } from 'zod';
import type { ModelConfig } from './agent/models.ts';

const environment = {
  WORKTRAIL_TRACE_STORE_URL: z.url(),
  WORKTRAIL_SECRETS_KEY_FILE: z.string().min(1).optional(),
  WORKTRAIL_SECRETS_KEY: z.string().optional(),
  WORKTRAIL_WORKFLOW_BUNDLE: z.string().min(1).optional(),
  WORKTRAIL_MODEL_KEY: z.string().min(1).optional(),
  OPENAI_API_KEY: z.string().min(1).optional(),
  OPENAI_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  GOOGLE_API_KEY: z.string().min(1).optional(),
};

export interface OrchestratorConfig extends ServiceConfig {
  traceStoreUrl: string;
  /** Directory in which the workflow bundle is kept between starts; undefined: it is made at each start. */
  workflowBundleDirectory: string | undefined;
  /** Workflows held in memory between their tasks; 0 replays each task's whole history. */
  cachedWorkflowsMax: number;
  /** So long something is without its counterpart before it is removed. */
  reconcileGraceMs: number;
  models: ModelConfig;
  /** What signs webhooks is sealed with it. */
  secretsKey: SecretsKey;
  /** What of private networks webhooks may reach (addresses.ts). */
  webhookPrivateAllowed: readonly string[];
}

export const cachedWorkflowsMaxDefault = 1_000;

/** @throws ConfigurationError that names every variable that is missing or wrong. */
export function orchestratorConfig(variables: NodeJS.ProcessEnv): OrchestratorConfig {
  const { common, values, operator } = readTogether({
    common: () => serviceConfig(variables),
    values: () => readEnvironment(environment, variables),
    operator: () => readOperatorSettings(variables).values,
  });
  return {
    ...common,
    traceStoreUrl: values.WORKTRAIL_TRACE_STORE_URL,
    workflowBundleDirectory: values.WORKTRAIL_WORKFLOW_BUNDLE,
    cachedWorkflowsMax: cachedWorkflowsMaxDefault,
    reconcileGraceMs: operator.reconcile.graceSeconds * 1_000,
    secretsKey: { file: values.WORKTRAIL_SECRETS_KEY_FILE, given: values.WORKTRAIL_SECRETS_KEY },
    webhookPrivateAllowed: operator.webhooks.privateAllowed,
    models: {
      named: operator.model.models,
      url: operator.model.url ?? undefined,
      urlKey: values.WORKTRAIL_MODEL_KEY,
      openaiKey: values.OPENAI_API_KEY,
      openaiUrl: values.OPENAI_BASE_URL,
      anthropicKey: values.ANTHROPIC_API_KEY,
      googleKey: values.GOOGLE_API_KEY,
    },
  };
}
