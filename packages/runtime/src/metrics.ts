// Prometheus metrics of a service: the process's own and what its parts register.

import { collectDefaultMetrics, Registry } from 'prom-client';

export { Gauge } from 'prom-client';
export type Metrics = Registry;

export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}
