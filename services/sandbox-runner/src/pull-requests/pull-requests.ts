// Pull requests of one repository, by the API of its host: what every host has, in the words of all.
//
// 1. Whatever goes wrong is a HostFailure (host-fetch.ts): it says whether asking again may help.
// 2. What a host answers is checked before it is believed.

import type { SeenPullRequest } from '@worktrail/contract/proposal-activities';
import type { PullRequestApi } from '@worktrail/runtime/pull-request-host';
import { createGiteaPullRequests } from './gitea.ts';
import { createGitHubPullRequests } from './github.ts';
import { createGitLabPullRequests } from './gitlab.ts';
import { createHostFetch, type Fetch } from './host-fetch.ts';

/** Its tree is read from the repository, not from the host's API. */
export type HostedPullRequest = Omit<SeenPullRequest, 'mergedTree'>;

export interface NewPullRequest {
  branch: string;
  targetBranch: string;
  title: string;
  body: string;
}

export interface PullRequests {
  /** The newest from this branch of the repository itself, whatever its state. */
  findByBranch(branch: string): Promise<HostedPullRequest | undefined>;
  read(number: number): Promise<HostedPullRequest>;
  open(request: NewPullRequest): Promise<HostedPullRequest>;
  update(number: number, text: Pick<NewPullRequest, 'title' | 'body'>): Promise<HostedPullRequest>;
  close(number: number): Promise<HostedPullRequest>;
}

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
