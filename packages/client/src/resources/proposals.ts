// Proposals: a session's change put up for approval, and the only way to the project's branch.

import type { Page, PageQuery, Proposal, ProposalDecision } from '../api-types.ts';
import { allItems } from '../pagination.ts';
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
    (proposalId: string, body: ProposalDecision = {}, options?: CallOptions) =>
      transport.json<Proposal>('POST', `${pathOf`/v1/proposals/${proposalId}`}/${what}`, { body, ...options });
  return {
    /** The session's files as they are now; where it has an open proposal, they become that one's head. */
    open: (sessionId: string, body: { title?: string; description?: string } = {}, options?: CallOptions) =>
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
