// Pull requests by GitHub's REST API (docs.github.com/rest/pulls), of github.com and of GitHub Enterprise.

import { request } from '@octokit/request';
import type { PullRequestApi } from '@worktrail/runtime/pull-request-host';
import { z } from 'zod';
import * as is from './host-reply.ts';
import type { HostedPullRequest, PullRequests } from './pull-requests.ts';

const side = z.object({ ref: is.branch, sha: is.commit, repo: z.object({ id: z.int() }).nullable() });
const user = z.object({ login: is.person }).nullish();
const pull = z.object({
  ...{ number: is.number, html_url: is.pageUrl, state: z.enum(['open', 'closed']), merged_at: z.string().nullish() },
  ...{ head: side, base: side, merge_commit_sha: is.commit.nullish(), merged_by: user },
});

export function createGitHubPullRequests(
  { apiUrl, repository }: PullRequestApi,
  token: string,
  guarded: typeof fetch,
): PullRequests {
  const call = request.defaults({
    baseUrl: apiUrl,
    headers: { authorization: `Bearer ${token}`, 'x-github-api-version': '2022-11-28', 'user-agent': 'worktrail' },
    request: { fetch: guarded },
  });
  const [owner, repo] = repository.split('/') as [string, string];
  const of = { owner, repo };

  /** The pull request itself does not say who closed it. */
  async function withCloser(seen: HostedPullRequest): Promise<HostedPullRequest> {
    if (seen.state !== 'closed') return seen;
    const route = 'GET /repos/{owner}/{repo}/issues/{issue_number}';
    const issue = await is
      .reply(z.object({ closed_by: user }), async () => (await call(route, { ...of, issue_number: seen.number })).data)
      .catch(() => undefined);
    return { ...seen, by: issue?.closed_by?.login ?? null };
  }

  const answered = async (work: () => Promise<{ data: unknown }>) =>
    withCloser(toSeen(await is.reply(pull, async () => (await work()).data)));

  return {
    async findByBranch(branch) {
      const query = {
        head: `${owner}:${branch}`,
        state: 'all',
        sort: 'created',
        direction: 'desc',
        per_page: 100,
      } as const;
      const found = await is.reply(
        z.array(pull),
        async () => (await call('GET /repos/{owner}/{repo}/pulls', { ...of, ...query })).data,
      );
      const own = found.find(({ head, base }) => head.ref === branch && head.repo?.id === base.repo?.id);
      // A list does not say who merged it.
      return own && this.read(own.number);
    },
    read: (number) =>
      answered(() => call('GET /repos/{owner}/{repo}/pulls/{pull_number}', { ...of, pull_number: number })),
    open: ({ branch, targetBranch, title, body }) =>
      answered(() =>
        call('POST /repos/{owner}/{repo}/pulls', { ...of, head: branch, base: targetBranch, title, body }),
      ),
    update: (number, { title, body }) =>
      answered(() =>
        call('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...of, pull_number: number, title, body }),
      ),
    close: (number) =>
      answered(() =>
        call('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...of, pull_number: number, state: 'closed' }),
      ),
  };
}

function toSeen(of: z.output<typeof pull>): HostedPullRequest {
  const isMerged = (of.merged_at ?? null) !== null;
  return {
    host: 'github',
    number: of.number,
    url: of.html_url,
    state: isMerged ? 'merged' : of.state,
    headCommit: of.head.sha,
    targetBranch: of.base.ref,
    mergeCommit: isMerged ? (of.merge_commit_sha ?? null) : null,
    by: isMerged ? (of.merged_by?.login ?? null) : null,
  };
}
