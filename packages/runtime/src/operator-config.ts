// What the operator decides: defaults and ceilings, from worktrail.yaml, then the environment. Every value has a default, so an
// absent file is a valid configuration; every mistake is named at once with its path.
//
// Precedence for a session's environment: the operator's ceiling over the session over the project over the operator's default.

import { readFile } from 'node:fs/promises';
import type { Environment } from '@worktrail/contract/environment';
import { limits } from '@worktrail/contract/limits';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigurationError } from './environment.ts';

const positive = z.int().positive();

const schema = z.strictObject({
  defaults: z
    .strictObject({
      image: z.string().nullable().default(null),
      network: z.enum(['none', 'restricted', 'open']).default('none'),
      runtime: z.enum(['runc', 'runsc']).default('runc'),
      cpus: z.number().positive().default(2),
      memoryMb: positive.default(2_048),
      pids: positive.default(512),
      outputBytesMax: positive.default(limits.outputBytesMaxDefault),
      hibernateAfterSeconds: positive.default(1_800),
      cancelGraceSeconds: z.int().min(0).max(300).default(limits.cancelGraceSecondsDefault),
    })
    .prefault({}),
  ceilings: z
    .strictObject({
      cpus: z.number().positive().default(16),
      memoryMb: positive.default(65_536),
      pids: positive.default(8_192),
      outputBytesMax: positive.default(16 * 1024 ** 3),
      commandTimeoutSeconds: positive.max(limits.commandTimeoutSecondsMax).default(limits.commandTimeoutSecondsMax),
      networks: z.array(z.enum(['none', 'restricted', 'open'])).default(['none', 'restricted', 'open']),
    })
    .prefault({}),
  images: z
    .strictObject({
      /** Names a project may ask for; "*" at the end stands for anything. Empty: only the operator's own. */
      allowed: z.array(z.string().min(1)).default(['*']),
    })
    .prefault({}),
  repositoryRoots: z.array(z.string().startsWith('/')).default([]),
  runner: z
    .strictObject({
      /** Live sandboxes at once; null: from the host's memory. */
      sessionsMax: positive.nullable().default(null),
      startsAtOnceMax: positive.default(4),
      labels: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
  events: z
    .strictObject({
      streamBytesMax: positive.default(8 * 1024 ** 3),
      /** Stored messages kept in the stream for live readers. */
      tailMessages: positive.default(20_000),
    })
    .prefault({}),
});

export type OperatorConfig = z.infer<typeof schema>;

/** @throws ConfigurationError naming every mistake with its path in the file. */
export async function loadOperatorConfig(path: string | undefined): Promise<OperatorConfig> {
  return parseOperatorConfig(path === undefined ? '' : await readFile(path, 'utf8'), path ?? 'worktrail.yaml');
}

export function parseOperatorConfig(text: string, source: string): OperatorConfig {
  let document: unknown;
  try {
    document = parse(text) ?? {};
  } catch (error) {
    throw new ConfigurationError([`${source}: ${(error as Error).message}`]);
  }
  const result = schema.safeParse(document);
  if (!result.success) throw new ConfigurationError(result.error.issues.map((issue) => describe(source, issue)));
  const problems = contradictions(result.data).map((problem) => `${source}: ${problem}`);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return result.data;
}

function describe(source: string, issue: z.core.$ZodIssue): string {
  const path = issue.path.length > 0 ? issue.path.join('.') : '(top)';
  return `${source}: ${path}: ${issue.message}`;
}

function contradictions(config: OperatorConfig): string[] {
  const problems: string[] = [];
  for (const name of ['cpus', 'memoryMb', 'pids', 'outputBytesMax'] as const) {
    if (config.defaults[name] > config.ceilings[name]) {
      problems.push(`defaults.${name}: ${config.defaults[name]} is over ceilings.${name} (${config.ceilings[name]})`);
    }
  }
  return problems;
}

/** What a project may say about its environment; everything may be left out. */
export type EnvironmentInput = {
  [Key in keyof Environment]?: Environment[Key] extends string[] | null | string
    ? Environment[Key]
    : Partial<Environment[Key]>;
};

export interface EnvironmentProblem {
  /** Inside the environment: "resources.memoryMb". */
  path: string;
  message: string;
}

/** The environment a session gets, or why it may not have it. */
export function effectiveEnvironment(
  config: OperatorConfig,
  input: EnvironmentInput,
): { environment: Environment; problems: EnvironmentProblem[] } {
  const { defaults } = config;
  const environment: Environment = {
    image: input.image ?? defaults.image,
    packages: input.packages ?? [],
    env: (input.env ?? {}) as Environment['env'],
    setup: input.setup ?? [],
    persist: input.persist ?? [],
    network: { mode: input.network?.mode ?? defaults.network, allow: input.network?.allow ?? [] },
    runtime: input.runtime ?? defaults.runtime,
    runnerLabels: (input.runnerLabels ?? {}) as Record<string, string>,
    resources: {
      cpus: input.resources?.cpus ?? defaults.cpus,
      memoryMb: input.resources?.memoryMb ?? defaults.memoryMb,
      pids: input.resources?.pids ?? defaults.pids,
      outputBytesMax: input.resources?.outputBytesMax ?? defaults.outputBytesMax,
    },
  };
  return { environment, problems: overCeilings(config, environment) };
}

function overCeilings(config: OperatorConfig, environment: Environment): EnvironmentProblem[] {
  const problems: EnvironmentProblem[] = [];
  for (const name of ['cpus', 'memoryMb', 'pids', 'outputBytesMax'] as const) {
    if (environment.resources[name] > config.ceilings[name]) {
      problems.push({
        path: `resources.${name}`,
        message: `is over the operator's ceiling of ${config.ceilings[name]}`,
      });
    }
  }
  if (!config.ceilings.networks.includes(environment.network.mode)) {
    problems.push({ path: 'network.mode', message: `the operator allows ${config.ceilings.networks.join(', ')}` });
  }
  if (environment.image !== null && !isAllowedImage(config, environment.image)) {
    problems.push({ path: 'image', message: "is not among the operator's allowed images" });
  }
  return problems;
}

function isAllowedImage(config: OperatorConfig, image: string): boolean {
  if (image === config.defaults.image) return true;
  return config.images.allowed.some((pattern) =>
    pattern.endsWith('*') ? image.startsWith(pattern.slice(0, -1)) : image === pattern,
  );
}
