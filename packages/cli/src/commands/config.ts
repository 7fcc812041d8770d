// worktrail config: the operator's effective configuration, and where this CLI gets its address and key from. No secret is shown.

import type { OperatorConfig } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import type { Connection } from '../connection.ts';
import { exitCodes } from '../exit-codes.ts';
import { visible } from '../screen/visible-text.ts';

export async function config(cli: Cli): Promise<number> {
  const { screen, surroundings } = cli;
  const connection = await cli.connection();
  const operator = await (await cli.client()).health.config();
  const effective = { operator, cli: cliConfiguration(connection, surroundings.env) };
  if (screen.json) await screen.document(effective);
  else {
    for (const line of flatten(effective.cli, 'cli')) await screen.line(line);
    for (const line of operatorLines(operator)) await screen.line(line);
  }
  return exitCodes.ok;
}

/** Each value with where it comes from: the default, worktrail.yaml, or the variable that says it. */
export function operatorLines({
  origins,
  ...values
}: Partial<OperatorConfig> & Pick<OperatorConfig, 'origins'>): string[] {
  const known = Object.entries(origins);
  return flatten(values, '').map((line) => {
    const path = line.split(' = ', 1)[0] ?? '';
    const origin = known.find(([name]) => path === name || path.startsWith(`${name}.`))?.[1];
    if (origin === undefined) return line;
    const told = { default: 'default', file: 'worktrail.yaml', environment: origin.variable }[origin.from];
    return `${line}  # ${visible(told)}`;
  });
}

/** What this CLI goes by; secrets by their presence only. */
export function cliConfiguration(connection: Connection, env: NodeJS.ProcessEnv): Record<string, unknown> {
  return {
    apiUrl: connection.apiUrl,
    apiUrlFrom: connection.apiUrlFrom,
    apiKey: connection.apiKey ? redactKey(connection.apiKey) : null,
    apiKeyFrom: connection.apiKeyFrom,
    stateDirectory: connection.stateDirectory,
    organizationId: connection.file?.organizationId ?? null,
    projectId: connection.file?.projectId ?? null,
    configPath: connection.file?.configPath ?? null,
    environment: worktrailVariables(env),
  };
}

/** "wt_key_…": the key's id is no secret, what follows it is. */
function redactKey(apiKey: string): string {
  const id = /^wt_(key_[0-9a-z]{26})_/.exec(apiKey)?.[1];
  return id ? `wt_${id}_***` : '***';
}

function worktrailVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = Object.keys(env)
    .filter((name) => name.startsWith('WORKTRAIL_'))
    .sort();
  return Object.fromEntries(names.map((name) => [name, isSecret(name) ? '***' : env[name]!]));
}

function isSecret(name: string): boolean {
  return /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/.test(name);
}

/** "a.b = value", one line for each leaf. */
export function flatten(value: unknown, path: string): string[] {
  if (
    typeof value !== 'object' ||
    value === null ||
    (Array.isArray(value) && value.every((item) => typeof item !== 'object'))
  ) {
    return [`${path} = ${visible(JSON.stringify(value) ?? 'undefined')}`];
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return path ? [`${path} = {}`] : [];
  return entries.flatMap(([name, inner]) => flatten(inner, path ? `${path}.${name}` : name));
}
