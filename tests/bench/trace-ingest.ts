// How fast the trace-store drains a JetStream that was filled while it was not running.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TraceData } from './trace-data.ts';
import type { Progress, TraceServers } from './trace-servers.ts';

export interface Drain {
  events: number;
  outputBytes: number;
  eventsPerSecond: number;
  outputPerSecond: number;
  /** Of all threads of the trace-store, for one event. */
  cpuMicros: number;
  memoryMib: number;
}

/** Leaves the trace-store running. */
export async function measureDrain(servers: TraceServers, data: TraceData, events: number): Promise<Drain> {
  const outputBytes = await servers.publish(data, events);
  await servers.start();
  const { first, last } = ends(await servers.untilStored());
  const seconds = (last.atMs - first.atMs) / 1_000;
  const drained = last.events - first.events;
  const { memoryMib } = await servers.usage();
  return {
    events,
    outputBytes,
    eventsPerSecond: drained / seconds,
    outputPerSecond: ((drained / events) * outputBytes) / seconds,
    cpuMicros: ((last.cpuMs - first.cpuMs) * 1_000) / drained,
    memoryMib,
  };
}

/** From when the first was stored: how long a process takes to start is not what is asked. */
function ends(progress: readonly Progress[]): { first: Progress; last: Progress } {
  const before = progress[0]!.events;
  const first = progress.find(({ events }) => events > before) ?? progress[0]!;
  return { first, last: progress.at(-1)! };
}

export async function bytesOnDisk(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const sizes = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => stat(join(parentPath, name)));
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0);
}
