// SQL over the traces, and the state of the system.

import type { Page, QueryResult, Readiness, Runner } from '../api-types.ts';
import type { Transport } from '../transport.ts';
import type { CallOptions } from './call.ts';

export function createQuery(transport: Transport) {
  return {
    /** One read-only statement over the organization's own events, commands, sessions, …. */
    sql: (body: { sql: string }, options?: CallOptions) =>
      transport.json<QueryResult>('POST', '/v1/query', { body, ...options }),
  };
}

export function createHealth(transport: Transport) {
  return {
    live: (options?: CallOptions) => transport.send('GET', '/healthz', { ...options, retry: false }),
    /** Answers also when the system is not ready: `ready` tells, `parts` name what is missing. */
    ready: (options?: CallOptions) =>
      transport.json<Readiness>('GET', '/readyz', { ...options, retry: false, accept: [503] }),
    runners: (options?: CallOptions) => transport.json<Page<Runner>>('GET', '/v1/runners', options),
    /** The operator's effective configuration, secrets redacted. */
    config: (options?: CallOptions) => transport.json<Record<string, unknown>>('GET', '/v1/config', options),
  };
}
