// How fast the trace-store drains a JetStream that was filled while it was not running.

import type { TraceData } from './trace-data.ts';
import { timed } from './bench-cluster.ts';
import type { TraceServers } from './trace-servers.ts';

export interface Drain {
  events: number;
  outputBytes: number;
  eventsPerSecond: number;
  outputPerSecond: number;
  /** Of all threads of the trace-store, for one event. */
  cpuMicros: number;
  memoryMib: number;
}

/** Leaves the trace-store running. Its start is part of the time. */
export async function measureDrain(servers: TraceServers, data: TraceData, events: number): Promise<Drain> {
  const outputBytes = await servers.publish(data, events);
  const seconds =
    (await timed(async () => {
      await servers.start();
      await servers.untilStored();
    })) / 1_000;
  const { cpuMs, memoryMib } = await servers.usage();
  const rates = { eventsPerSecond: events / seconds, outputPerSecond: outputBytes / seconds };
  return { events, outputBytes, ...rates, cpuMicros: (cpuMs * 1_000) / events, memoryMib };
}
