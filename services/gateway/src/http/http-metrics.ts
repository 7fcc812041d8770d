// Prometheus metrics of the public API.

import type { Metrics } from '@worktrail/runtime/metrics';
import { Gauge, Histogram } from 'prom-client';

export interface HttpMetrics {
  observe(method: string, route: string, status: number, durationMs: number): void;
  /** Open event streams. */
  eventStreams: { inc(): void; dec(): void };
  /** Requests that wait for a command, a state or an event. */
  waiters: { inc(): void; dec(): void };
}

export function createHttpMetrics(registry: Metrics): HttpMetrics {
  const seconds = new Histogram({
    name: 'worktrail_http_request_seconds',
    help: 'Time of HTTP requests by route, waiting included.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30, 300],
    registers: [registry],
  });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  return {
    observe: (method, route, status, durationMs) =>
      seconds.observe({ method: method.toUpperCase(), route, status: String(status) }, durationMs / 1_000),
    eventStreams: gauge('worktrail_event_streams', 'Open server-sent event streams.'),
    waiters: gauge('worktrail_http_waiters', 'Requests that wait for a command, a state or an event.'),
  };
}
