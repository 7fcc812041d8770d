// What can be told of a cluster: from its API, from its state directory, and from the process table.

import { join } from 'node:path';
import {
  type Readiness,
  type Runner,
  WorktrailApiError,
  WorktrailConnectionError,
  type WorktrailClient,
} from '@worktrail/client';
import { version } from '../cli.ts';
import type { Connection } from '../connection.ts';
import { type DiskUse, diskUseOf } from './disk-use.ts';
import { type Metrics, parseMetrics } from './metrics-text.ts';
import { readToolVersions } from './tool-versions.ts';

export interface ClusterStatus {
  apiUrl: string;
  /** Null when the gateway does not answer: `unreachable` says why. */
  readiness: Readiness | null;
  unreachable: string | null;
  /** Of this command and of the programs the cluster brought along; runners tell theirs themselves. */
  versions: Record<string, string>;
  processes: { name: string; pid: number; alive: boolean; address: string | null }[];
  /** Null when they could not be asked for. */
  runners: Runner[] | null;
  /** Messages that could not be stored. Null when it is not known. */
  deadLetters: number | null;
  stateDirectory: string | null;
  disk: DiskUse[];
}

export async function readClusterStatus(client: WorktrailClient, connection: Connection): Promise<ClusterStatus> {
  const { apiUrl, file } = connection;
  const local = file ? connection.stateDirectory : null;
  const [readiness, runners, deadLetters, disk, tools] = await Promise.all([
    client.health.ready().catch(unreachableText),
    client.health.runners().then(
      (page) => page.items,
      () => null,
    ),
    file ? readDeadLetters(file.addresses['traceStore']) : null,
    local ? diskUseOf(local) : [],
    local ? readToolVersions(join(local, 'tools')) : {},
  ]);
  return {
    apiUrl,
    readiness: typeof readiness === 'string' ? null : readiness,
    unreachable: typeof readiness === 'string' ? readiness : null,
    versions: { worktrail: version, ...tools },
    processes: Object.entries(file?.pids ?? {}).map(([name, pid]) => ({
      name,
      pid,
      alive: isAlive(pid),
      address: name === 'gateway' ? apiUrl : (file?.addresses[name] ?? null),
    })),
    runners,
    deadLetters,
    stateDirectory: local,
    disk,
  };
}

function unreachableText(error: unknown): string {
  if (error instanceof WorktrailConnectionError || error instanceof WorktrailApiError) return error.message;
  throw error;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function readDeadLetters(traceStoreUrl: string | undefined): Promise<number | null> {
  if (traceStoreUrl === undefined) return null;
  try {
    const response = await fetch(`${traceStoreUrl}/metrics`, { signal: AbortSignal.timeout(3_000) });
    return response.ok ? deadLettersOf(parseMetrics(await response.text())) : null;
  } catch {
    return null;
  }
}

/** The sum over whatever the trace-store counts as dead letters; null when it counts none. */
export function deadLettersOf(metrics: Metrics): number | null {
  const counted = [...metrics].filter(([name]) => name.includes('dead_letter'));
  return counted.length === 0 ? null : counted.reduce((sum, [, value]) => sum + value, 0);
}
