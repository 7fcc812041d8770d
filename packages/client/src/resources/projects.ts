// Projects, their write-only secrets and credential.

import type { ContextSearch, CreateProject, PatchProject, Project, PutCredential } from '../gen/api-schemas.ts';
import type { ContextKind } from '@worktrail/contract/context';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export interface ContextQuery {
  /** Branch, tag or commit; default: the default branch as it is now. */
  ref?: string;
  limit?: number;
  kinds?: ContextKind[];
  /** A directory, or a pattern with `*`, `**` and `?`. */
  path?: string;
  language?: string;
  /** A session of the project in whose history it stands what was shown. Needs the scope `run`. */
  sessionId?: string;
}

export function createProjects(transport: Transport) {
  const list = (query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Project>>('GET', '/v1/projects', { query: { ...query }, ...options });
  return {
    create: (body: CreateProject, options?: CallOptions) =>
      transport.json<Project>('POST', '/v1/projects', { body, ...options }),
    list,
    all: (options?: CallOptions) => allItems((cursor) => list({ cursor, limit: 200 }, options)),
    get: (projectId: string, options?: CallOptions) =>
      transport.json<Project>('GET', pathOf`/v1/projects/${projectId}`, options),
    update: (projectId: string, body: PatchProject, options?: CallOptions & { ifMatch?: string }) =>
      transport.json<Project>('PATCH', pathOf`/v1/projects/${projectId}`, {
        body,
        ...(options?.ifMatch && { headers: { 'if-match': options.ifMatch } }),
        signal: options?.signal,
      }),
    delete: (projectId: string, options?: CallOptions) =>
      transport.send('DELETE', pathOf`/v1/projects/${projectId}`, options),
    setSecret: (projectId: string, name: string, value: string, options?: CallOptions) =>
      transport.send('PUT', pathOf`/v1/projects/${projectId}/secrets/${name}`, { body: { value }, ...options }),
    deleteSecret: (projectId: string, name: string, options?: CallOptions) =>
      transport.send('DELETE', pathOf`/v1/projects/${projectId}/secrets/${name}`, options),
    setCredential: (projectId: string, body: PutCredential, options?: CallOptions) =>
      transport.send('PUT', pathOf`/v1/projects/${projectId}/credential`, { body, ...options }),
    /** Searches symbols, text and files of the repository, as upstream has them. */
    searchContext: (projectId: string, q: string, { kinds, ...query }: ContextQuery = {}, options?: CallOptions) =>
      transport.json<ContextSearch>('GET', pathOf`/v1/projects/${projectId}/context`, {
        query: { q, ...query, ...(kinds && { kind: kinds.join(',') }) },
        ...options,
      }),
    deleteCredential: (projectId: string, options?: CallOptions) =>
      transport.send('DELETE', pathOf`/v1/projects/${projectId}/credential`, options),
  };
}
