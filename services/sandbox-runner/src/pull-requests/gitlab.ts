// Merge requests by GitLab's REST API (docs.gitlab.com/api/merge_requests).

import { createRequesterFn } from '@gitbeaker/requester-utils';
import { MergeRequests } from '@gitbeaker/rest';
import type { PullRequestApi } from '@worktrail/runtime/pull-request-host';
import { z } from 'zod';
import * as is from './host-reply.ts';
import type { HostedPullRequest, PullRequests } from './pull-requests.ts';

const user = z.object({ username: is.person }).nullish();
const mergeRequest = z.object({
  ...{ iid: is.number, web_url: is.pageUrl, state: z.enum(['opened', 'closed', 'locked', 'merged']) },
  ...{
    source_branch: is.branch,
    target_branch: is.branch,
    source_project_id: z.int().nullish(),
    target_project_id: z.int(),
  },
  ...{ sha: is.commit.nullish(), merge_commit_sha: is.commit.nullish(), squash_commit_sha: is.commit.nullish() },
  ...{ merged_by: user, merge_user: user, closed_by: user },
});

export function createGitLabPullRequests(
  { apiUrl, repository }: PullRequestApi,
  token: string,
  guarded: typeof fetch,
): PullRequests {
  const client = new MergeRequests({
    host: apiUrl.slice(0, -'/api/v4'.length),
    // Taken for personal, project, group and OAuth tokens alike.
    oauthToken: token,
    requesterFn: createRequesterFn(async (_, options) => options, createHandler(guarded)),
    // Times and rates are the guard's, and the host's.
    ...{ queryTimeout: null, rateLimits: {} },
  });
  const answered = async (work: () => Promise<unknown>) => toSeen(await is.reply(mergeRequest, work));
  return {
    async findByBranch(branch) {
      const query = { sourceBranch: branch, state: 'all', orderBy: 'created_at', sort: 'desc' } as const;
      const list = { ...query, perPage: 100, maxPages: 1 } as never;
      const found = await is.reply(z.array(mergeRequest), () =>
        client.all({ projectId: repository, ...(list as object) }),
      );
      const own = found.find((one) => one.source_branch === branch && one.source_project_id === one.target_project_id);
      return own && toSeen(own);
    },
    read: (number) => answered(() => client.show(repository, number)),
    open: ({ branch, targetBranch, title, body }) =>
      answered(() => client.create(repository, branch, targetBranch, title, { description: body })),
    update: (number, { title, body }) => answered(() => client.edit(repository, number, { title, description: body })),
    close: (number) => answered(() => client.edit(repository, number, { stateEvent: 'close' })),
  };
}

/** The client's own would try again by itself, for minutes. */
function createHandler(guarded: typeof fetch): Parameters<typeof createRequesterFn>[1] {
  return async (endpoint, options = {}) => {
    const { prefixUrl, searchParams, method, headers, body } = options as Record<string, any>;
    const url = new URL(endpoint, prefixUrl.endsWith('/') ? prefixUrl : `${prefixUrl}/`);
    url.search = searchParams ?? '';
    const response = await guarded(url.href, { method, headers: { ...headers, 'user-agent': 'worktrail' }, body });
    const told = Object.fromEntries(response.headers.entries());
    return { status: response.status, headers: told, body: (await response.json()) as Record<string, unknown> };
  };
}

/** Merged fast-forward, it has a commit of its own only where it was squashed. */
function toSeen(of: z.output<typeof mergeRequest>): HostedPullRequest {
  const isMerged = of.state === 'merged';
  const state = isMerged ? 'merged' : of.state === 'closed' ? 'closed' : 'open';
  const who = { merged: of.merge_user ?? of.merged_by, closed: of.closed_by, open: null }[state];
  return {
    ...{ host: 'gitlab', number: of.iid, url: of.web_url, state },
    headCommit: of.sha ?? null,
    targetBranch: of.target_branch,
    mergeCommit: isMerged ? (of.merge_commit_sha ?? of.squash_commit_sha ?? of.sha ?? null) : null,
    by: who?.username ?? null,
  };
}
