// The gateway's configuration: its environment and what the operator decided.

import { readEnvironment, readTogether, type ServiceConfig, serviceConfig } from '@worktrail/runtime/environment';
import { type OperatorSettings, readOperatorSettings } from '@worktrail/runtime/operator-config';
import type { SecretsKey } from '@worktrail/runtime/secret-box';
import { z } from 'zod';

export interface GatewayConfig extends ServiceConfig {
  traceStoreUrl: string;
  secretsKey: SecretsKey;
  /** Shown by the operator to make organizations. */
  operatorToken: string;
  operator: OperatorSettings;
  /** Never a place for a repository. */
  stateDirectory: string | undefined;
}

const own = {
  WORKTRAIL_TRACE_STORE_URL: z.url(),
  WORKTRAIL_SECRETS_KEY_FILE: z.string().min(1).optional(),
  WORKTRAIL_SECRETS_KEY: z.string().optional(),
  WORKTRAIL_OPERATOR_TOKEN: z.string().min(32, 'at least 32 characters'),
  WORKTRAIL_STATE_DIRECTORY: z.string().startsWith('/').optional(),
};

/** @throws ConfigurationError that names everything that is missing or wrong. */
export function gatewayConfig(environment: NodeJS.ProcessEnv): GatewayConfig {
  const { common, values, operator } = readTogether({
    common: () => serviceConfig(environment),
    values: () => readEnvironment(own, environment),
    operator: () => readOperatorSettings(environment),
  });
  return {
    ...common,
    operator,
    traceStoreUrl: values.WORKTRAIL_TRACE_STORE_URL,
    secretsKey: { file: values.WORKTRAIL_SECRETS_KEY_FILE, given: values.WORKTRAIL_SECRETS_KEY },
    operatorToken: values.WORKTRAIL_OPERATOR_TOKEN,
    stateDirectory: values.WORKTRAIL_STATE_DIRECTORY,
  };
}
