/**
 * The processes of the running cluster as the disk knows them, so that a start after a crash of the supervisor finds and ends them.
 *
 * Written at every start of a process, before anything depends on it.
 */
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { endProcess, isAlive, type ProcessIdentity } from './process-identity.ts';
import { PROCESS_NAMES, type ProcessName, SERVICE_NAMES } from './process-names.ts';
import { writeAtomically } from './write-atomically.ts';

const identitySchema = z.object({ pid: z.number().int().positive(), startTicks: z.number().int() });
const recordSchema = z.object({
  supervisor: identitySchema,
  processes: z.partialRecord(z.enum(PROCESS_NAMES), identitySchema),
});

export type RunRecord = z.infer<typeof recordSchema>;

/** Null when there is none, or none that can be read. */
export async function readRunRecord(path: string): Promise<RunRecord | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export function writeRunRecord(path: string, record: RunRecord): Promise<void> {
  return writeAtomically(path, `${JSON.stringify(record)}\n`, 0o600);
}

export function removeRunRecord(path: string): Promise<void> {
  return rm(path, { force: true });
}

/** The order in which leftovers are ended: services first, then what they stand on; within a wave all at once. */
export function leftoverWaves(names: ProcessName[]): ProcessName[][] {
  const isService = (name: ProcessName) => (SERVICE_NAMES as readonly string[]).includes(name);
  const waves = [
    names.filter(isService),
    names.filter((name) => name === 'nats' || name === 'temporal'),
    names.filter((name) => name === 'dockerd'),
  ];
  return waves.filter((wave) => wave.length > 0);
}

const LEFTOVER_TERM_TIMEOUT_MS = 5_000;

/**
 * Ends what an earlier supervisor left running and returns the names of what was still alive. Runners detach on TERM and an engine
 * keeps its containers, so that commands in sandboxes go on.
 */
export async function endLeftovers(record: RunRecord): Promise<ProcessName[]> {
  const alive: ProcessName[] = [];
  for (const name of PROCESS_NAMES) {
    const identity = record.processes[name];
    if (identity && (await isAlive(identity))) alive.push(name);
  }
  const end = (name: ProcessName) => endProcess(record.processes[name] as ProcessIdentity, LEFTOVER_TERM_TIMEOUT_MS);
  for (const wave of leftoverWaves(alive)) await Promise.all(wave.map(end));
  return alive;
}
