// The sandbox-runner's configuration: its environment, and what the operator says about runners and repositories.

import { totalmem } from 'node:os';
import { isAbsolute } from 'node:path';
import { readEnvironment, readTogether, type ServiceConfig, serviceConfig } from '@worktrail/runtime/environment';
import { readOperatorSettings } from '@worktrail/runtime/operator-config';
import type { SecretsKey } from '@worktrail/runtime/secret-box';
import { z } from 'zod';
import type { EgressOptions } from './egress/egress.ts';

export interface SandboxRunnerConfig extends ServiceConfig {
  /** Where gateways reach its HTTP server; undefined: at its own host and port. */
  url: string | undefined;
  dataDirectory: string;
  dockerSocket: string;
  sandboxImage: string;
  supervisorPath: string;
  secretsKey: SecretsKey;
  repositoryRoots: string[];
  stateDirectory: string;
  /** Of the ssh that repositories are fetched with; without it there is none. */
  sshConfig: string | undefined;
  traceStoreUrl: string;
  sessionsMax: number;
  /** Of all open sandboxes together, by their environments; null: no such bound. */
  memoryMbMax: number | null;
  runningCommands: { perOrganizationMax: number | null; perProjectMax: number | null };
  startsAtOnceMax: number;
  labels: Record<string, string>;
  diskReserveBytes: number;
  /** Of the indexes of all repositories on the host's disk together. */
  contextBytesMax: number;
  /** So long something is without its counterpart before it is removed. */
  reconcileGraceMs: number;
  artifacts: {
    replicas: number;
    /** Of all objects together; null: as much as the server has. */
    storeBytesMax: number | null;
    objectBytesMax: number;
  };
  egress: EgressOptions;
  /** "exec" where a FIFO cannot be shared with the container. */
  control: 'fifo' | 'exec';
}

const memoryPerSessionBytes = 256 * 1024 * 1024;
const absolute = z.string().refine(isAbsolute, 'an absolute path');

const shape = {
  WORKTRAIL_RUNNER_URL: z.url({ protocol: /^https?$/ }).optional(),
  WORKTRAIL_RUNNER_DATA: absolute,
  WORKTRAIL_DOCKER_SOCKET: absolute,
  WORKTRAIL_SANDBOX_IMAGE: z.string().min(1),
  WORKTRAIL_SUPERVISOR: absolute,
  WORKTRAIL_SECRETS_KEY_FILE: absolute.optional(),
  WORKTRAIL_SECRETS_KEY: z.string().optional(),
  WORKTRAIL_STATE_DIRECTORY: absolute,
  WORKTRAIL_TRACE_STORE_URL: z.url(),
  WORKTRAIL_STREAM_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  WORKTRAIL_MODEL_KEY: z.string().min(1).optional(),
  OPENAI_API_KEY: z.string().min(1).optional(),
  OPENAI_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  ANTHROPIC_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  GOOGLE_API_KEY: z.string().min(1).optional(),
  GOOGLE_GEMINI_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  WORKTRAIL_SANDBOX_CONTROL: z.enum(['fifo', 'exec']).default('fifo'),
};

/** @throws ConfigurationError that names everything that is missing or wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): SandboxRunnerConfig {
  const { common, own, operator } = readTogether({
    common: () => serviceConfig(environment),
    own: () => readEnvironment(shape, environment),
    operator: () => readOperatorSettings(environment).values,
  });
  return {
    ...common,
    url: own.WORKTRAIL_RUNNER_URL,
    dataDirectory: own.WORKTRAIL_RUNNER_DATA,
    dockerSocket: own.WORKTRAIL_DOCKER_SOCKET,
    sandboxImage: own.WORKTRAIL_SANDBOX_IMAGE,
    supervisorPath: own.WORKTRAIL_SUPERVISOR,
    secretsKey: { file: own.WORKTRAIL_SECRETS_KEY_FILE, given: own.WORKTRAIL_SECRETS_KEY },
    repositoryRoots: operator.repositoryRoots,
    stateDirectory: own.WORKTRAIL_STATE_DIRECTORY,
    sshConfig: operator.runner.sshConfig ?? undefined,
    traceStoreUrl: own.WORKTRAIL_TRACE_STORE_URL,
    sessionsMax: operator.runner.sessionsMax ?? defaultSessionsMax(),
    memoryMbMax: operator.runner.memoryMbMax,
    runningCommands: {
      perOrganizationMax: operator.quotas.runningCommandsPerOrganizationMax,
      perProjectMax: operator.quotas.runningCommandsPerProjectMax,
    },
    startsAtOnceMax: operator.runner.startsAtOnceMax,
    labels: operator.runner.labels,
    diskReserveBytes: operator.runner.diskReserveBytes,
    contextBytesMax: operator.runner.contextBytesMax,
    reconcileGraceMs: operator.reconcile.graceSeconds * 1_000,
    artifacts: { ...operator.artifacts, replicas: own.WORKTRAIL_STREAM_REPLICAS },
    egress: {
      privateAllowed: operator.egress.privateAllowed,
      named: operator.model.models,
      models: {
        url: operator.model.url ?? undefined,
        urlKey: own.WORKTRAIL_MODEL_KEY,
        openaiKey: own.OPENAI_API_KEY,
        openaiUrl: own.OPENAI_BASE_URL,
        anthropicKey: own.ANTHROPIC_API_KEY,
        anthropicUrl: own.ANTHROPIC_BASE_URL,
        googleKey: own.GOOGLE_API_KEY,
        googleUrl: own.GOOGLE_GEMINI_BASE_URL,
      },
    },
    control: own.WORKTRAIL_SANDBOX_CONTROL,
  };
}

/** Sandboxes share memory: most of them are idle most of the time. */
function defaultSessionsMax(): number {
  return Math.min(1_000, Math.max(24, Math.floor(totalmem() / memoryPerSessionBytes)));
}
