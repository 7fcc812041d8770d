// What a runner tells Prometheus beside its process's own figures.

import { Gauge, type Metrics } from '@worktrail/runtime/metrics';
import type { LiveCommands } from '../commands/live-commands.ts';
import type { Placements } from '../places/placement.ts';

export function registerRunnerMetrics(
  metrics: Metrics,
  deps: { placements: Placements; commands: LiveCommands },
): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [metrics],
      collect() {
        this.set(read());
      },
    });
  gauge('worktrail_runner_slots', 'Sessions that may hold a sandbox here', () => deps.placements.slots().total);
  gauge(
    'worktrail_runner_slots_used',
    'Sessions that hold a sandbox here, or were promised one',
    () => deps.placements.slots().used,
  );
  gauge('worktrail_runner_commands_live', 'Commands that are followed now', () => deps.commands.list().length);
}
