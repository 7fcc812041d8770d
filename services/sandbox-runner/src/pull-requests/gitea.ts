// Pull requests by Gitea's REST API (docs.gitea.com/api), which Forgejo has too.

import { giteaApi } from 'gitea-js';
import type { PullRequestApi } from '@worktrail/runtime/pull-request-host';
import { z } from 'zod';
import * as is from './host-reply.ts';
import type { HostedPullRequest, PullRequests } from './pull-requests.ts';

/** `label` stays the branch's name once the branch is gone. */
const side = z.object({ label: z.string(), ref: z.string(), sha: z.string(), repo_id: z.int() });
const user = z.object({ login: is.person }).nullish();
const pull = z.object({
  ...{ number: is.number, html_url: is.pageUrl, state: z.enum(['open', 'closed']), merged: z.boolean() },
  ...{ head: side, base: side, merge_commit_sha: is.commit.nullish(), merged_by: user },
});
const pageSize = 50;
/** It has no list of a branch's pull requests: those that changed last are looked through. */
const pagesMax = 10;

export function createGiteaPullRequests(
  { apiUrl, repository }: PullRequestApi,
  token: string,
  guarded: typeof fetch,
): PullRequests {
  const { repos } = giteaApi(apiUrl.slice(0, -'/api/v1'.length), { token, customFetch: guarded });
  const [owner, repo] = repository.split('/') as [string, string];
  const answered = async (work: () => Promise<{ data: unknown }>) =>
    toSeen(await is.reply(pull, async () => (await work()).data));
  return {
    async findByBranch(branch) {
      for (let page = 1; page <= pagesMax; page += 1) {
        const query = { state: 'all', sort: 'recentupdate', page, limit: pageSize } as const;
        const found = await is.reply(
          z.array(pull),
          async () => (await repos.repoListPullRequests(owner, repo, query)).data,
        );
        const own = found.find(({ head, base }) => head.label === branch && head.repo_id === base.repo_id);
        if (own) return toSeen(own);
        if (found.length === 0) return undefined;
      }
      return undefined;
    },
    read: (number) => answered(() => repos.repoGetPullRequest(owner, repo, number)),
    open: ({ branch, targetBranch, title, body }) =>
      answered(() => repos.repoCreatePullRequest(owner, repo, { head: branch, base: targetBranch, title, body })),
    update: (number, { title, body }) =>
      answered(() => repos.repoEditPullRequest(owner, repo, number, { title, body })),
    close: (number) => answered(() => repos.repoEditPullRequest(owner, repo, number, { state: 'closed' })),
  };
}

/** A branch that is gone has no commit. */
function toSeen(of: z.output<typeof pull>): HostedPullRequest {
  return {
    host: 'gitea',
    number: of.number,
    url: of.html_url,
    state: of.merged ? 'merged' : of.state,
    headCommit: is.commit.safeParse(of.head.sha).data ?? null,
    targetBranch: of.base.ref,
    mergeCommit: of.merged ? (of.merge_commit_sha ?? null) : null,
    by: of.merged ? (of.merged_by?.login ?? null) : null,
  };
}
