// Suggested tasks of a project: what scans of it have found.

import type {
  AcceptSuggestion,
  DismissSuggestion,
  Scan,
  Suggestion,
  SuggestionAccepted,
  SuggestionPage,
} from '../gen/api-schemas.ts';
import { allItems, type PageQuery } from '../pagination.ts';
import type { SuggestionKind, SuggestionState } from '@worktrail/contract/suggestions';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf, type WaitOptions } from './call.ts';

export interface SuggestionQuery extends PageQuery {
  /** Default: open. */
  state?: SuggestionState | 'all';
  kind?: SuggestionKind;
}

export function createSuggestions(transport: Transport) {
  const list = (projectId: string, query: SuggestionQuery = {}, options?: WaitOptions) =>
    transport.json<SuggestionPage>('GET', pathOf`/v1/projects/${projectId}/suggestions`, {
      query: { ...query },
      ...options,
    });
  return {
    /** Starts a scan, or joins the one that runs; with `waitSeconds` it answers when that has ended. */
    scan: (projectId: string, options?: WaitOptions) =>
      transport.json<Scan>('POST', pathOf`/v1/projects/${projectId}/suggestions`, options),
    /** With `waitSeconds` it waits for the end of a scan that runs. */
    list,
    all: (projectId: string, query: Omit<SuggestionQuery, 'cursor' | 'limit'> = {}, options?: CallOptions) =>
      allItems<Suggestion>((cursor) => list(projectId, { ...query, cursor, limit: 200 }, options)),
    get: (suggestionId: string, options?: CallOptions) =>
      transport.json<Suggestion>('GET', pathOf`/v1/suggestions/${suggestionId}`, options),
    /** Makes a task and a session of it; again, the same. */
    accept: (suggestionId: string, body: AcceptSuggestion = {}, options?: CallOptions) =>
      transport.json<SuggestionAccepted>('POST', pathOf`/v1/suggestions/${suggestionId}/accept`, { body, ...options }),
    dismiss: (suggestionId: string, body: DismissSuggestion = {}, options?: CallOptions) =>
      transport.json<Suggestion>('POST', pathOf`/v1/suggestions/${suggestionId}/dismiss`, { body, ...options }),
  };
}
