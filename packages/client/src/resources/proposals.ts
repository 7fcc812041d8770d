// Proposals: a session's change put up for approval, and the only way to the project's branch.

import type { CreateProposal, DecideProposal, Proposal } from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export function createProposals(transport: Transport) {
  const list = (sessionId: string, query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Proposal>>('GET', pathOf`/v1/sessions/${sessionId}/proposals`, {
      query: { ...query },
      ...options,
    });
  const decide =
    (what: 'approve' | 'reject' | 'merge' | 'close') =>
    (proposalId: string, body: DecideProposal = {}, options?: CallOptions) =>
      transport.json<Proposal>('POST', `${pathOf`/v1/proposals/${proposalId}`}/${what}`, { body, ...options });
  return {
    /** The session's files as they are now; where it has an open proposal, they become that one's head. */
    open: (sessionId: string, body: CreateProposal = {}, options?: CallOptions) =>
      transport.json<Proposal>('POST', pathOf`/v1/sessions/${sessionId}/proposals`, { body, ...options }),
    /** Newest first. */
    list,
    all: (sessionId: string, options?: CallOptions) => allItems((cursor) => list(sessionId, { cursor }, options)),
    get: (proposalId: string, options?: CallOptions) =>
      transport.json<Proposal>('GET', pathOf`/v1/proposals/${proposalId}`, options),
    approve: decide('approve'),
    reject: decide('reject'),
    /** Stands through checks that are run again because the target has moved: `state` may not be `merged` yet. */
    merge: decide('merge'),
    close: decide('close'),
  };
}
