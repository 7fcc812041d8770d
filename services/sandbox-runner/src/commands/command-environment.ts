// The variables that a command runs with, and which of their values are secrets.
//
// Precedence, later over earlier: the image, what its network needs (proxy, models), the project's environment, the session, the command, and what the system sets. A secret's
// value exists here, in the request that only root can read, and in the command; never in a workflow, an event or a log.

import { sandboxVariables } from '@worktrail/contract/environment-variables';
import type { RunCommandInput } from '@worktrail/contract/sandbox-activities';
import { baseEnvironment } from '../docker/image-environment.ts';

export interface CommandEnvironment {
  env: Record<string, string>;
  /** Values to be masked in output. */
  secrets: string[];
}

/** The value of a project's secret; undefined when there is none of this name. @throws SecretUnusable */
export type ReadSecret = (projectId: string, name: string) => Promise<string | undefined>;

/** A secret that the environment names does not exist, or cannot be opened here. */
export class SecretUnusable extends Error {
  override readonly name = 'SecretUnusable';
}

/** What of a command, or of another process that runs as one, its environment follows from. */
export type EnvironmentInput = Pick<RunCommandInput, 'projectId' | 'sessionId' | 'env'> & {
  environment: Pick<RunCommandInput['environment'], 'env'>;
  command: Pick<RunCommandInput['command'], 'id' | 'env'>;
};

/** @throws SecretUnusable */
export async function resolveCommandEnvironment(
  input: EnvironmentInput,
  given: { imageEnv: readonly string[]; network: Record<string, string> },
  readSecret: ReadSecret,
): Promise<CommandEnvironment> {
  const project: Record<string, string> = {};
  for (const [name, value] of Object.entries(input.environment.env)) {
    if (typeof value === 'string') {
      project[name] = value;
      continue;
    }
    const secret = await readSecret(input.projectId, value.secret);
    if (secret === undefined) {
      throw new SecretUnusable(`the project has no secret "${value.secret}", which the variable ${name} needs`);
    }
    project[name] = secret;
  }
  const system = { [sandboxVariables.sessionId]: input.sessionId, [sandboxVariables.commandId]: input.command.id };
  const env: Record<string, string> = {
    ...baseEnvironment(given.imageEnv),
    ...given.network,
    ...project,
    ...input.env,
    ...input.command.env,
    ...system,
  };
  return { env, secrets: secretNames(input).map((name) => env[name] ?? '') };
}

/** The secrets of a command that was requested before, from its request: the values that it really got. */
export async function readRequestedSecrets(
  input: EnvironmentInput,
  readRequest: () => Promise<string>,
): Promise<string[]> {
  const names = secretNames(input);
  if (names.length === 0) return [];
  const entries = (await readRequest()).split('\0');
  return names.flatMap((name) => {
    const prefix = `env=${name}=`;
    return entries.filter((entry) => entry.startsWith(prefix)).map((entry) => entry.slice(prefix.length));
  });
}

/** Variables whose value is a secret of the project, and not replaced by the session or the command. */
function secretNames(input: EnvironmentInput): string[] {
  return Object.entries(input.environment.env)
    .filter(([name, value]) => typeof value !== 'string' && !(name in input.env) && !(name in input.command.env))
    .map(([name]) => name);
}
