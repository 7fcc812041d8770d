// The pull requests of a repository, by the client of its host.

import type { PullRequestApi } from '@worktrail/runtime/pull-request-host';
import { createGiteaPullRequests } from './gitea.ts';
import { createGitHubPullRequests } from './github.ts';
import { createGitLabPullRequests } from './gitlab.ts';
import { createHostFetch, type Fetch } from './host-fetch.ts';
import type { PullRequests } from './pull-requests.ts';

export interface HostAccess {
  token: string;
  fetch: Fetch;
  signal: AbortSignal;
}

export function createPullRequests(api: PullRequestApi, { token, fetch, signal }: HostAccess): PullRequests {
  const guarded = createHostFetch({ apiUrl: api.apiUrl, token, fetch, signal });
  switch (api.host) {
    case 'github':
      return createGitHubPullRequests(api, token, guarded);
    case 'gitlab':
      return createGitLabPullRequests(api, token, guarded);
    case 'gitea':
      return createGiteaPullRequests(api, token, guarded);
  }
}
