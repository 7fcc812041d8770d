// A service's configuration from environment variables: parsed once, every problem named at once.

import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);

/** The variables every service reads. */
export const serviceEnvironment = {
  WORKTRAIL_CLUSTER_ID: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes'),
  WORKTRAIL_HOST: z.string().default('127.0.0.1'),
  WORKTRAIL_PORT: port,
  WORKTRAIL_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  WORKTRAIL_INTERNAL_TOKEN: z.string().min(32, 'at least 32 characters'),
  WORKTRAIL_NATS_URL: z.string().min(1),
  WORKTRAIL_NATS_USER: z.string().default(''),
  WORKTRAIL_NATS_PASSWORD: z.string().default(''),
  WORKTRAIL_TEMPORAL_ADDRESS: z.string().min(1),
  WORKTRAIL_TEMPORAL_NAMESPACE: z.string().default('default'),
  WORKTRAIL_PARTITIONS: z.coerce.number().int().min(1).max(64).default(1),
};

export interface NatsConfig {
  url: string;
  user: string;
  password: string;
}

export interface TemporalConfig {
  address: string;
  namespace: string;
}

/** What every service knows; each adds its own. */
export interface ServiceConfig {
  clusterId: string;
  host: string;
  /** 0: a free one. */
  port: number;
  logLevel: string;
  internalToken: string;
  nats: NatsConfig;
  temporal: TemporalConfig;
  partitions: number;
}

export class ConfigurationError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

/** @throws ConfigurationError that names every variable that is missing or wrong. */
export function readEnvironment<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: NodeJS.ProcessEnv,
): z.infer<z.ZodObject<Shape>> {
  const result = z.object(shape).safeParse(environment);
  if (result.success) return result.data;
  throw new ConfigurationError(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
}

/** What every reader reads. @throws one ConfigurationError with the problems of all of them. */
export function readTogether<Readers extends Record<string, () => unknown>>(
  readers: Readers,
): { [Name in keyof Readers]: ReturnType<Readers[Name]> } {
  const problems: string[] = [];
  const values = Object.entries(readers).map(([name, read]) => {
    try {
      return [name, read()];
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      problems.push(...error.problems);
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw new ConfigurationError(problems);
  return Object.fromEntries(values) as { [Name in keyof Readers]: ReturnType<Readers[Name]> };
}

/** The part of the configuration that all services share. */
export function serviceConfig(environment: NodeJS.ProcessEnv): ServiceConfig {
  const values = readEnvironment(serviceEnvironment, environment);
  return {
    clusterId: values.WORKTRAIL_CLUSTER_ID,
    host: values.WORKTRAIL_HOST,
    port: values.WORKTRAIL_PORT,
    logLevel: values.WORKTRAIL_LOG_LEVEL,
    internalToken: values.WORKTRAIL_INTERNAL_TOKEN,
    nats: {
      url: values.WORKTRAIL_NATS_URL,
      user: values.WORKTRAIL_NATS_USER,
      password: values.WORKTRAIL_NATS_PASSWORD,
    },
    temporal: { address: values.WORKTRAIL_TEMPORAL_ADDRESS, namespace: values.WORKTRAIL_TEMPORAL_NAMESPACE },
    partitions: values.WORKTRAIL_PARTITIONS,
  };
}
