// What the operator decides: defaults, ceilings and quotas. A variable of the environment counts over worktrail.yaml, which counts
// over the default. Every value has a default, so an absent file is a valid configuration; every mistake is named at once, with its
// path in the file or the name of its variable.
//
// Precedence for a session's environment: the operator's ceiling over the session over the project over the operator's default.

import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import type { Environment } from '@worktrail/contract/environment';
import { limits } from '@worktrail/contract/limits';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigurationError } from './environment.ts';
import { readVariable, variableName, variablesOf } from './operator-variables.ts';

const positive = z.int().positive();
const label = z.string().regex(/^[\w.-]+$/, 'letters, digits, "_", "." and "-"');

const tokens = z.int().min(1_000).max(100_000_000);
const usdPerMillion = z.number().min(0).max(1_000_000);
const model = z.strictObject({
  provider: z.enum(['custom', 'openai', 'anthropic', 'google']),
  /** As the provider names it. */
  id: z.string().min(1).max(200),
  /** What it takes in at once; null: what is too much its provider says. */
  contextTokens: tokens.nullable().default(null),
  /** Of one answer; null: as its provider has it. */
  outputTokensMax: z.int().min(1).max(10_000_000).nullable().default(null),
  /** In USD for a million tokens; null: it costs 0, and the cost limit does not hold it. `cachedInput` is as `input` without it. */
  price: z
    .strictObject({ input: usdPerMillion, cachedInput: usdPerMillion.optional(), output: usdPerMillion })
    .nullable()
    .default(null),
});
export type NamedModel = z.infer<typeof model>;

/** `address:port` or `address/bits:port`, IPv6 in brackets; `*` for any port. */
export const privateDestination =
  /^(?:(\d{1,3}(?:\.\d{1,3}){3})(?:\/(\d{1,2}))?|\[([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?\]):(\d{1,5}|\*)$/;

function isPrivateDestination(text: string): boolean {
  const [, v4, bits4 = '32', v6, bits6 = '128', port = ''] = privateDestination.exec(text) ?? [];
  const isRange = (isIPv4(v4 ?? '') && Number(bits4) <= 32) || (isIPv6(v6 ?? '') && Number(bits6) <= 128);
  return isRange && (port === '*' || (Number(port) >= 1 && Number(port) <= 65_535));
}

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
      /** A command above `outputBytesMax` is ended, or goes on and the end of its output is kept. */
      outputOverflow: z.enum(['end', 'keep_tail']).default('end'),
      /** 0: never. */
      hibernateAfterSeconds: z.int().min(0).default(1_800),
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
  quotas: z
    .strictObject({
      /** Sessions that are neither archived nor failed; null: any number. */
      sessionsPerOrganizationMax: positive.nullable().default(null),
      sessionsPerProjectMax: positive.nullable().default(null),
      /** More are accepted and wait as `queued`; null: any number. */
      runningCommandsPerOrganizationMax: positive.nullable().default(null),
      runningCommandsPerProjectMax: positive.nullable().default(null),
      /** Open event streams, and as many requests that wait: of an organization and of all, in one gateway. */
      followersPerOrganizationMax: positive.default(1_000),
      followersMax: positive.default(4_000),
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
      sessionsMax: positive.max(10_000).nullable().default(null),
      /** `memoryMb` of all live sandboxes together; null: they are only counted. */
      memoryMbMax: positive.nullable().default(null),
      startsAtOnceMax: positive.max(1_000).default(4),
      labels: z.record(label, label).default({}),
      /** Free space of the host's disks below which nothing is opened or started; 0: no such bound. */
      diskReserveBytes: z
        .int()
        .min(0)
        .default(1024 ** 3),
      /** Of the indexes of all repositories on the host's disk together: what was used longest ago goes first. */
      contextBytesMax: positive.default(4 * 1024 ** 3),
      /** Of the ssh that repositories are fetched with, for every tenant; null: there is none. */
      sshConfig: z.string().startsWith('/').nullable().default(null),
    })
    .prefault({}),
  artifacts: z
    .strictObject({
      /** Compressed size up to which a hibernated session's volumes are archived whole; 0: none is. */
      archiveBytesMax: z
        .int()
        .min(0)
        .default(1024 ** 3),
      /** Bundles and archives of all sessions; null: as much as the NATS server has. */
      storeBytesMax: positive.nullable().default(null),
      objectBytesMax: positive.default(8 * 1024 ** 3),
    })
    .prefault({}),
  reconcile: z
    .strictObject({
      /** So long something has no counterpart before it is removed. */
      graceSeconds: z.int().min(1).default(900),
    })
    .prefault({}),
  model: z
    .strictObject({
      /** Of a server that speaks the API of OpenAI's chat completions: its models are "custom/…". */
      url: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      /** "provider/model", for messages that name none. */
      default: z.string().min(1).max(200).nullable().default(null),
      /** By name. One that is named "provider/model" says more of that one. */
      models: z.record(z.string().regex(/^[\w./:-]{1,200}$/), model).default({}),
    })
    .prefault({}),
  egress: z
    .strictObject({
      /** What sandboxes with a network may reach of this host and of private networks. */
      privateAllowed: z
        .array(z.string().refine(isPrivateDestination, 'must be address:port or address/bits:port'))
        .default([]),
    })
    .prefault({}),
  otlp: z
    .strictObject({
      /** Of a collector of traces (OTLP over HTTP, protobuf), whole: ".../v1/traces". null: none is told. */
      url: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      /** Whether spans have what was said, what tools were given, and what came of it. */
      content: z.boolean().default(false),
    })
    .prefault({}),
  retention: z
    .strictObject({
      /** Days; null: an organization may keep it for ever. */
      eventsDaysMax: positive.nullable().default(null),
      outputDaysMax: positive.nullable().default(null),
      auditDaysMax: positive.nullable().default(null),
    })
    .prefault({}),
  webhooks: z
    .strictObject({
      /** What webhooks may reach of this host and of private networks; and by http instead of https, this alone. */
      privateAllowed: z
        .array(z.string().refine(isPrivateDestination, 'must be address:port or address/bits:port'))
        .default([]),
      perOrganizationMax: positive.max(1_000).default(20),
    })
    .prefault({}),
  events: z
    .strictObject({
      streamBytesMax: z
        .int()
        .min(1024 ** 2)
        .default(8 * 1024 ** 3),
      /** Stored messages kept in the stream for live readers. */
      tailMessages: z.int().min(0).default(20_000),
    })
    .prefault({}),
});

export type OperatorConfig = z.infer<typeof schema>;

const variables = variablesOf(schema);
const sections = Object.keys(schema.shape).filter((name) => name !== 'repositoryRoots');
/** Begins like a value of the file, and is none. */
const otherVariables: readonly string[] = ['WORKTRAIL_RUNNER_DATA', 'WORKTRAIL_MODEL_KEY', 'WORKTRAIL_OTLP_HEADERS'];

/** The variables that may say a value of the file. */
export const operatorVariableNames: readonly string[] = variables.flatMap(({ names }) => names);

export interface ValueOrigin {
  from: 'default' | 'file' | 'environment';
  /** The variable that says it, or would. */
  variable: string;
}

export interface OperatorSettings {
  values: OperatorConfig;
  /** By path: "defaults.memoryMb". */
  origins: Record<string, ValueOrigin>;
}

/** From the file that WORKTRAIL_CONFIG names, if any, and the other variables. @throws ConfigurationError naming every mistake. */
export function readOperatorSettings(environment: NodeJS.ProcessEnv): OperatorSettings {
  const path = environment['WORKTRAIL_CONFIG'];
  if (!path) return operatorSettings('', 'worktrail.yaml', environment);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError([`${path} cannot be read: ${(error as Error).message}`]);
  }
  return operatorSettings(text, path, environment);
}

/** `source` is what mistakes in the text are named after. @throws ConfigurationError naming every mistake. */
export function operatorSettings(text: string, source: string, environment: NodeJS.ProcessEnv): OperatorSettings {
  const problems: string[] = [];
  const document = parseYaml(text, source, problems);
  const fromFile = schema.safeParse(document ?? {});
  for (const issue of fromFile.error?.issues ?? []) problems.push(describe(source, issue));
  const read = variables.flatMap((variable) => {
    const found = readVariable(variable, environment);
    if (found === undefined) return [];
    const checked = z.safeParse(variable.schema, found.value);
    for (const issue of checked.error?.issues ?? []) problems.push(`${found.name}: ${issue.message}`);
    return [{ ...found, value: checked.data }];
  });
  problems.push(...unknownVariables(environment));
  if (!fromFile.success || problems.length > 0) throw new ConfigurationError(problems);

  const values = fromFile.data;
  for (const { path, value } of read) setAt(values, path, value);
  const origins: OperatorSettings['origins'] = {};
  for (const { path, names } of variables) {
    const variable = read.find((one) => one.path === path)?.name;
    const from = variable ? 'environment' : hasAt(document, path) ? 'file' : 'default';
    origins[path.join('.')] = { from, variable: variable ?? (names[0] as string) };
  }
  const settings = { values, origins };
  const contradicting = contradictions(settings, source);
  if (contradicting.length > 0) throw new ConfigurationError(contradicting);
  return settings;
}

function parseYaml(text: string, source: string, problems: string[]): unknown {
  try {
    return parse(text);
  } catch (error) {
    problems.push(`${source}: ${(error as Error).message}`);
    return undefined;
  }
}

function describe(source: string, issue: z.core.$ZodIssue): string {
  const path = issue.path.length > 0 ? issue.path.join('.') : '(top)';
  return `${source}: ${path}: ${issue.message}`;
}

/** A variable that is spelled wrong would otherwise be silently without effect. */
function unknownVariables(environment: NodeJS.ProcessEnv): string[] {
  const prefixes = sections.map((section) => `${variableName([section])}_`);
  return Object.keys(environment)
    .filter((name) => prefixes.some((prefix) => name.startsWith(prefix)))
    .filter((name) => !operatorVariableNames.includes(name) && !otherVariables.includes(name))
    .map((name) => `${name}: names no value of worktrail.yaml`);
}

function hasAt(document: unknown, [name, ...rest]: readonly string[]): boolean {
  if (name === undefined) return true;
  return typeof document === 'object' && document !== null && Object.hasOwn(document, name)
    ? hasAt((document as Record<string, unknown>)[name], rest)
    : false;
}

function setAt(document: object, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  const fields = document as Record<string, unknown>;
  if (rest.length === 0) fields[name] = value;
  else setAt(fields[name] as object, rest, value);
}

function contradictions({ values, origins }: OperatorSettings, source: string): string[] {
  const problems: string[] = [];
  const named = (path: string) => (origins[path]?.from === 'environment' ? origins[path].variable : path);
  for (const name of ['cpus', 'memoryMb', 'pids', 'outputBytesMax'] as const) {
    const [byDefault, ceiling] = [values.defaults[name], values.ceilings[name]];
    if (byDefault <= ceiling) continue;
    const problem = `${named(`defaults.${name}`)}: ${byDefault} is over ${named(`ceilings.${name}`)} (${ceiling})`;
    problems.push(origins[`defaults.${name}`]?.from === 'environment' ? problem : `${source}: ${problem}`);
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
      outputOverflow: input.resources?.outputOverflow ?? defaults.outputOverflow,
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
