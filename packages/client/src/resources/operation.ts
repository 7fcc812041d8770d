// SQL over the traces, the state of the system, its runners and limits.

import type {
  Doctor,
  DoctorFix,
  DrainRunner,
  Limits,
  Models,
  OperatorConfig,
  Query,
  QueryResult,
  Runner,
  RunnerOrder,
} from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export interface Readiness {
  ready: boolean;
  parts: Record<string, { ok: boolean; detail?: string }>;
}

export function createQuery(transport: Transport) {
  return {
    /** One read-only statement over the organization's own events, commands, sessions, …. */
    sql: (body: Query & { format?: 'json' }, options?: CallOptions) =>
      transport.json<QueryResult>('POST', '/v1/query', { body, ...options }),
    /**
     * The rows in another format, as they come. Rows that were left out at a limit are told of in the last line: of JSON lines
     * `{"truncated":"query_bytes"}`, of CSV `# truncated: query_bytes`.
     */
    rows: (body: Query, options?: CallOptions) => transport.stream('/v1/query', { method: 'POST', body, ...options }),
  };
}

export function createHealth(transport: Transport) {
  return {
    live: (options?: CallOptions) => transport.send('GET', '/healthz', { ...options, retry: false }),
    /** Answers also when the system is not ready: `ready` tells, `parts` name what is missing. */
    ready: (options?: CallOptions) =>
      transport.json<Readiness>('GET', '/readyz', { ...options, retry: false, accept: [503] }),
    /** The operator's effective configuration, secrets redacted. */
    config: (options?: CallOptions) => transport.json<OperatorConfig>('GET', '/v1/config', options),
  };
}

export function createModels(transport: Transport) {
  return {
    /** Those that the operator has named, the default first. */
    list: (options?: CallOptions) => transport.json<Models>('GET', '/v1/models', options),
  };
}

export function createRunners(transport: Transport) {
  const list = (query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Runner>>('GET', '/v1/runners', { query: { ...query }, ...options });
  return {
    list,
    all: (options?: CallOptions) => allItems((cursor) => list({ cursor }, options)),
    /** It takes no session any more and hibernates its own as they become idle; `undo`: it takes sessions again. */
    drain: (runnerId: string, body: DrainRunner = {}, options?: CallOptions) =>
      transport.json<RunnerOrder>('POST', pathOf`/v1/runners/${runnerId}/drain`, { body, ...options }),
  };
}

export function createLimits(transport: Transport) {
  return {
    /** Quotas of the organization and their use. */
    get: (query: { projectId?: string } = {}, options?: CallOptions) =>
      transport.json<Limits>('GET', '/v1/limits', { query: { ...query }, ...options }),
  };
}

export function createDoctor(transport: Transport) {
  return {
    /** What has no counterpart; removes nothing. */
    check: (options?: CallOptions) => transport.json<Doctor>('GET', '/v1/doctor', options),
    /** Removes what is past its grace. */
    fix: (options?: CallOptions) => transport.json<DoctorFix>('POST', '/v1/doctor/fix', options),
  };
}
