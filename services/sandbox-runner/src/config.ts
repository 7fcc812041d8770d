// The sandbox-runner's configuration.

import { totalmem } from 'node:os';
import { isAbsolute } from 'node:path';
import { ConfigurationError, readEnvironment, type ServiceConfig, serviceConfig } from '@worktrail/runtime/environment';
import { z } from 'zod';

export interface SandboxRunnerConfig extends ServiceConfig {
  dataDirectory: string;
  dockerSocket: string;
  sandboxImage: string;
  supervisorPath: string;
  secretsKeyFile: string;
  repositoryRoots: string[];
  stateDirectory: string;
  traceStoreUrl: string;
  sessionsMax: number;
  labels: Record<string, string>;
  /** "exec" where a FIFO cannot be shared with the container. */
  control: 'fifo' | 'exec';
}

const memoryPerSessionBytes = 256 * 1024 * 1024;
const absolute = z.string().refine(isAbsolute, 'an absolute path');

const shape = {
  WORKTRAIL_RUNNER_DATA: absolute,
  WORKTRAIL_DOCKER_SOCKET: absolute,
  WORKTRAIL_SANDBOX_IMAGE: z.string().min(1),
  WORKTRAIL_SUPERVISOR: absolute,
  WORKTRAIL_SECRETS_KEY_FILE: absolute,
  WORKTRAIL_REPOSITORY_ROOTS: z.string().default(''),
  WORKTRAIL_STATE_DIRECTORY: absolute,
  WORKTRAIL_TRACE_STORE_URL: z.url(),
  WORKTRAIL_RUNNER_SESSIONS_MAX: z.coerce.number().int().min(1).max(10_000).default(defaultSessionsMax()),
  WORKTRAIL_RUNNER_LABELS: z
    .string()
    .regex(/^([\w.-]+=[\w.-]+(,|$))*$/, 'name=value,name=value')
    .default(''),
  WORKTRAIL_SANDBOX_CONTROL: z.enum(['fifo', 'exec']).default('fifo'),
};

/** @throws ConfigurationError that names every variable that is missing or wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): SandboxRunnerConfig {
  const problems: string[] = [];
  const collect = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  };
  const common = collect(() => serviceConfig(environment));
  const own = collect(() => readEnvironment(shape, environment));
  if (!common || !own) throw new ConfigurationError(problems);
  return {
    ...common,
    dataDirectory: own.WORKTRAIL_RUNNER_DATA,
    dockerSocket: own.WORKTRAIL_DOCKER_SOCKET,
    sandboxImage: own.WORKTRAIL_SANDBOX_IMAGE,
    supervisorPath: own.WORKTRAIL_SUPERVISOR,
    secretsKeyFile: own.WORKTRAIL_SECRETS_KEY_FILE,
    repositoryRoots: own.WORKTRAIL_REPOSITORY_ROOTS.split(':').filter((root) => root !== ''),
    stateDirectory: own.WORKTRAIL_STATE_DIRECTORY,
    traceStoreUrl: own.WORKTRAIL_TRACE_STORE_URL,
    sessionsMax: own.WORKTRAIL_RUNNER_SESSIONS_MAX,
    labels: Object.fromEntries(pairs(own.WORKTRAIL_RUNNER_LABELS)),
    control: own.WORKTRAIL_SANDBOX_CONTROL,
  };
}

/** Sandboxes share memory: most of them are idle most of the time. */
function defaultSessionsMax(): number {
  return Math.min(1_000, Math.max(24, Math.floor(totalmem() / memoryPerSessionBytes)));
}

function pairs(text: string): [string, string][] {
  return text
    .split(',')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split('=') as [string, string]);
}
