// Pull requests of one repository, by the API of its host: what every host has, in the words of all.
//
// 1. Whatever goes wrong is a HostFailure (host-fetch.ts): it says whether asking again may help.
// 2. What a host answers is checked before it is believed.

import type { SeenPullRequest } from '@worktrail/contract/proposal-activities';

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
