// The gateway's configuration from its environment.

import { delimiter } from 'node:path';
import { readEnvironment, type ServiceConfig, serviceConfig, serviceEnvironment } from '@worktrail/runtime/environment';
import { z } from 'zod';

export interface GatewayConfig extends ServiceConfig {
  traceStoreUrl: string;
  /** 32 bytes as 64 hex digits. */
  secretsKeyFile: string;
  /** Shown by the operator to make organizations. */
  operatorToken: string;
  /** Local repositories are allowed below these. */
  repositoryRoots: readonly string[];
  /** Never a place for a repository. */
  stateDirectory: string | undefined;
}

const own = {
  WORKTRAIL_TRACE_STORE_URL: z.url(),
  WORKTRAIL_SECRETS_KEY_FILE: z.string().min(1),
  WORKTRAIL_OPERATOR_TOKEN: z.string().min(32, 'at least 32 characters'),
  WORKTRAIL_REPOSITORY_ROOTS: z
    .string()
    .default('')
    .transform((roots) => roots.split(delimiter).filter((root) => root !== ''))
    .refine((roots) => roots.every((root) => root.startsWith('/')), 'absolute paths, separated by colons'),
  WORKTRAIL_STATE_DIRECTORY: z.string().startsWith('/').optional(),
};

export function gatewayConfig(environment: NodeJS.ProcessEnv): GatewayConfig {
  const values = readEnvironment({ ...serviceEnvironment, ...own }, environment);
  return {
    ...serviceConfig(environment),
    traceStoreUrl: values.WORKTRAIL_TRACE_STORE_URL,
    secretsKeyFile: values.WORKTRAIL_SECRETS_KEY_FILE,
    operatorToken: values.WORKTRAIL_OPERATOR_TOKEN,
    repositoryRoots: values.WORKTRAIL_REPOSITORY_ROOTS,
    stateDirectory: values.WORKTRAIL_STATE_DIRECTORY,
  };
}
