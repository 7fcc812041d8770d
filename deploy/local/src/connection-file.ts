/**
 * `connection.json`: where a running cluster is, for the CLI and other tools. Mode 0600, replaced as a whole, gone when the cluster
 * has stopped. A reader that finds it can still meet a dead cluster (the machine lost power): the supervisor's pid tells.
 */
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import type { ProcessName } from './process-names.ts';
import { writeAtomically } from './write-atomically.ts';

const pid = z.number().int();

export const connectionSchema = z.object({
  apiUrl: z.url(),
  apiKey: z.string(),
  dockerSocket: z.string(),
  stateDirectory: z.string(),
  /** The worktrail.yaml in force. */
  configPath: z.string().nullable(),
  pids: z.object({
    supervisor: pid,
    gateway: pid,
    orchestrator: pid,
    sandboxRunner: pid,
    traceStore: pid,
    nats: pid,
    temporal: pid,
    dockerd: pid.optional(),
  }),
  /** Addresses of the parts behind the API. */
  addresses: z.object({
    nats: z.string(),
    temporal: z.string(),
    traceStore: z.string(),
    orchestrator: z.string(),
    sandboxRunner: z.string(),
  }),
  /** Where the cluster's workflows are at its Temporal. */
  temporalNamespace: z.string(),
  organizationId: z.string().nullable(),
  projectId: z.string().nullable(),
});

export type Connection = z.infer<typeof connectionSchema>;
export type PidName = keyof Connection['pids'];

export const PID_NAMES: Record<ProcessName, PidName> = {
  dockerd: 'dockerd',
  nats: 'nats',
  temporal: 'temporal',
  'trace-store': 'traceStore',
  orchestrator: 'orchestrator',
  'sandbox-runner': 'sandboxRunner',
  gateway: 'gateway',
};

export function writeConnection(path: string, connection: Connection): Promise<void> {
  return writeAtomically(path, `${JSON.stringify(connection, null, 2)}\n`, 0o600);
}

/** Null when there is no file, or none that can be read. */
export async function readConnection(path: string): Promise<Connection | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return connectionSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export function removeConnection(path: string): Promise<void> {
  return rm(path, { force: true });
}
