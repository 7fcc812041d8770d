// A project's repository for plain git, as a gateway asks a runner for it (the runner's internal HTTP API).
//
//   PUT  git/{projectId}               ServeRequest → 204: makes it as it is now
//   GET  git/{projectId}/refs          → what there is, as git's upload-pack tells it
//   POST git/{projectId}/upload-pack   a request of git's → upload-pack's answer
//
// The last two are `not_found` at a runner that has not made it since it started.

import type { RepositoryRef } from './environment.ts';

export interface ServeRequest {
  organizationId: string;
  repository: RepositoryRef;
  /** Whose branches are shown beside upstream's. */
  sessionIds: string[];
}

/** The newest ones of a project. */
export const servedSessionsMax = 2_000;
/** Of git's request: what it has and wants, one line each. */
export const uploadPackRequestBytesMax = 8 * 1024 * 1024;
/** Query parameter: the version of git's protocol, "0", "1" or "2". */
export const gitProtocolParameter = 'protocol';
