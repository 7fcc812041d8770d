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
import { parseMetrics, type Sample } from './metrics-text.ts';
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
  /** Messages that could not be stored, in all partitions. Null when it is not known. */
  deadLetters: number | null;
  /** By partition. Null when it is not known. */
  history: HistoryStatus[] | null;
  /** What a newer version still does to what was stored before, in the background. Null when it is not known. */
  upgrades: UpgradeStatus[] | null;
  stateDirectory: string | null;
  disk: DiskUse[];
}

export interface UpgradeStatus {
  table: string;
  what: string;
  partsLeft: number;
}

/** What of one partition is not in the history as it was published. */
export interface HistoryStatus {
  partition: number;
  /** Messages that could not be stored and are kept for people to look at. */
  deadLetters: number;
  newestDeadLetterReason: string | null;
  /** Events that the stream had lost and that are there again, from a command's journal. */
  eventsBackfilled: number;
  /** Events that say what is missing for good. */
  gaps: number;
}

export async function readClusterStatus(client: WorktrailClient, connection: Connection): Promise<ClusterStatus> {
  const { apiUrl, file } = connection;
  const local = file ? connection.stateDirectory : null;
  const [readiness, runners, samples, disk, tools] = await Promise.all([
    client.health.ready().catch(unreachableText),
    client.runners.list().then(
      (page) => page.items,
      () => null,
    ),
    file ? readTraceStoreMetrics(file.addresses['traceStore']) : null,
    local ? diskUseOf(local) : [],
    local ? readToolVersions(join(local, 'tools')) : {},
  ]);
  const history = samples && historyStatusOf(samples);
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
    deadLetters: history && history.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
    history,
    upgrades: samples && upgradesOf(samples),
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

async function readTraceStoreMetrics(traceStoreUrl: string | undefined): Promise<Sample[] | null> {
  if (traceStoreUrl === undefined) return null;
  try {
    const response = await fetch(`${traceStoreUrl}/metrics`, { signal: AbortSignal.timeout(3_000) });
    return response.ok ? parseMetrics(await response.text()) : null;
  } catch {
    return null;
  }
}

const prefix = 'worktrail_trace_store_';

export function upgradesOf(samples: readonly Sample[]): UpgradeStatus[] {
  return samples
    .filter(({ name }) => name === `${prefix}upgrade_parts_left`)
    .map(({ labels, value }) => ({ table: labels['table'] ?? '', what: labels['what'] ?? '', partsLeft: value }));
}

/** By partition; null where the trace-store does not tell. */
export function historyStatusOf(samples: readonly Sample[]): HistoryStatus[] | null {
  const letters = samples.filter(({ name }) => name === `${prefix}dead_letters_kept`);
  if (letters.length === 0) return null;
  const fills = (partition: string | undefined, kind: string): number =>
    samples
      .filter(
        ({ name, labels }) => name === `${prefix}fills` && labels['partition'] === partition && labels['kind'] === kind,
      )
      .reduce((sum, { value }) => sum + value, 0);
  return letters.map(({ labels, value }) => ({
    partition: Number(labels['partition']),
    deadLetters: value,
    newestDeadLetterReason: labels['newest_reason'] || null,
    eventsBackfilled: fills(labels['partition'], 'backfilled'),
    gaps: fills(labels['partition'], 'gap'),
  }));
}
