// The environment's names for the values of worktrail.yaml, by one rule: WORKTRAIL_ and the path in capitals, words apart by "_".
// `defaults.memoryMb` is WORKTRAIL_DEFAULTS_MEMORY_MB. A list is separated by commas (paths by colons), labels are
// `name=value,name=value`; what is more than labels is JSON. A variable that is empty counts as not set.

import type { z } from 'zod';

/** One value of the file, and how the environment says it. */
export interface OperatorVariable {
  /** ["defaults", "memoryMb"] */
  path: readonly string[];
  /** By the rule, and older names of the same value; the first that is set counts. */
  names: readonly string[];
  schema: z.core.$ZodType;
}

export interface ReadVariable {
  path: readonly string[];
  name: string;
  value: unknown;
}

const olderNames: Record<string, string> = {
  'events.streamBytesMax': 'WORKTRAIL_EVENT_STREAM_BYTES_MAX',
  'events.tailMessages': 'WORKTRAIL_STREAM_TAIL_MESSAGES',
};

export function variableName(path: readonly string[]): string {
  return `WORKTRAIL_${path.join('_').replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** Every value below this schema. */
export function variablesOf(schema: z.core.$ZodType, path: readonly string[] = []): OperatorVariable[] {
  const inner = bare(schema);
  if (inner._zod.def.type !== 'object') {
    const older = olderNames[path.join('.')];
    return [{ path, names: [variableName(path), ...(older ? [older] : [])], schema }];
  }
  const { shape } = (inner as z.core.$ZodObject)._zod.def;
  return Object.entries(shape).flatMap(([name, part]) => variablesOf(part, [...path, name]));
}

/** The variable as its value would stand in the file, to be checked by the value's own schema; undefined where it is not set. */
export function readVariable(variable: OperatorVariable, environment: NodeJS.ProcessEnv): ReadVariable | undefined {
  const name = variable.names.find((candidate) => environment[candidate]);
  if (name === undefined) return undefined;
  const text = environment[name] as string;
  return { path: variable.path, name, value: fromText(bare(variable.schema)._zod.def.type, variable.path, text) };
}

/** What is no value of the kind stays a text, which the schema then refuses. */
function fromText(type: string, path: readonly string[], text: string): unknown {
  switch (type) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
    case 'boolean':
      return ['true', 'false'].includes(text.trim()) ? text.trim() === 'true' : text;
    case 'array':
      return parts(text, path.at(-1) === 'repositoryRoots' ? ':' : ',');
    case 'record': {
      if (text.trim().startsWith('{')) return fromJson(text);
      const pairs = parts(text, ',').map((pair) => /^([^=]+)=(.*)$/.exec(pair)?.slice(1));
      return pairs.every((pair) => pair !== undefined) ? Object.fromEntries(pairs as [string, string][]) : text;
    }
    default:
      return text;
  }
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parts(text: string, separator: string): string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Without "may be null" and "has a default". */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  const { def } = schema._zod;
  return 'innerType' in def ? bare(def.innerType as z.core.$ZodType) : schema;
}
