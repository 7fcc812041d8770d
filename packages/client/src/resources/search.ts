// Search in what was said, run and printed in all sessions.

import type { SearchedType } from '@worktrail/contract/search';
import type { SearchHit } from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import type { CallOptions } from './call.ts';

export interface SearchQuery {
  projectId?: string | undefined;
  sessionId?: string | undefined;
  taskId?: string | undefined;
  types?: readonly SearchedType[] | undefined;
  /** ISO 8601. */
  from?: string | undefined;
  /** Not included. */
  to?: string | undefined;
}

export function createSearch(transport: Transport) {
  const find = (q: string, { types, ...query }: SearchQuery & PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<SearchHit>>('GET', '/v1/search', {
      query: { q, ...query, types: types?.join(',') },
      ...options,
    });
  return {
    /** `q`: words, "phrases" and beginnings*. The newest first. */
    find,
    all: (q: string, query?: SearchQuery, options?: CallOptions) =>
      allItems((cursor) => find(q, { ...query, ...(cursor !== undefined && { cursor }), limit: 100 }, options)),
  };
}
