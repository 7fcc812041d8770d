// GitHub's REST API as docs.github.com/rest/pulls has it (2022-11-28), as far as pull requests of one repository go.

import { type ApiAnswer, type HostApi, pageOf, type Pull, type PullHost, unknownMembers } from './pull-request-api.ts';

const documentation_url = 'https://docs.github.com/rest';
const notFound: ApiAnswer = { status: 404, body: { message: 'Not Found', documentation_url, status: '404' } };

function invalid(...errors: object[]): ApiAnswer {
  return { status: 422, body: { message: 'Validation Failed', errors, documentation_url, status: '422' } };
}

const user = (login: string | null) => login && { login, id: 7, type: 'User' };

function listed(host: PullHost, pull: Pull) {
  const repo = { id: 42, full_name: 'team/app' };
  const at = '2026-01-02T03:04:05Z';
  return {
    ...{ id: 1_000 + pull.number, number: pull.number, state: pull.state === 'open' ? 'open' : 'closed' },
    ...{ html_url: `${host.url}/team/app/pull/${pull.number}`, title: pull.title, body: pull.body, draft: false },
    ...{ closed_at: pull.state === 'open' ? null : at, merged_at: pull.state === 'merged' ? at : null },
    // Of an open one that of a trial merge.
    merge_commit_sha: pull.mergeCommit ?? 'e'.repeat(40),
    head: { label: `team:${pull.branch}`, ref: pull.branch, sha: pull.sha, repo },
    base: { label: `team:${pull.base}`, ref: pull.base, sha: 'b'.repeat(40), repo },
  };
}

function shown(host: PullHost, pull: Pull) {
  const isMerged = pull.state === 'merged';
  return { ...listed(host, pull), merged: isMerged, mergeable: true, merged_by: isMerged ? user(pull.by) : null };
}

export const githubApi: HostApi = {
  prefix: '/api/v3',
  isKnown: ({ authorization }, token) => authorization === `Bearer ${token}` || authorization === `token ${token}`,
  unknown: { status: 401, body: { message: 'Bad credentials', documentation_url, status: '401' } },
  async answer(host, { method, path, query, headers, body }) {
    if (!headers['user-agent']) return { status: 403, body: { message: 'Request forbidden by administrative rules.' } };
    const number = Number(/^\/repos\/team\/app\/(?:pulls|issues)\/(\d+)$/.exec(path)?.[1] ?? 0);
    const pull = host.pulls.find((one) => one.number === number);
    if (path === '/repos/team/app/pulls' && method === 'GET') return list(host, query);
    if (path === '/repos/team/app/pulls' && method === 'POST') return create(host, body);
    if (!pull) return notFound;
    if (path.includes('/issues/')) {
      const isClosed = pull.state !== 'open';
      const issue = { number, state: isClosed ? 'closed' : 'open', closed_by: isClosed ? user(pull.by) : null };
      return method === 'GET' ? { status: 200, body: issue } : notFound;
    }
    if (method === 'GET') return { status: 200, body: shown(host, pull) };
    if (method !== 'PATCH') return notFound;
    const unknown = unknownMembers(body, ['title', 'body', 'state', 'base', 'maintainer_can_modify']);
    if (unknown.length > 0) return invalid({ resource: 'PullRequest', field: unknown[0], code: 'unknown' });
    const { title = pull.title, body: text = pull.body, state } = body as Partial<Record<string, string>>;
    Object.assign(pull, { title, body: text });
    if (state === 'closed' && pull.state === 'open') Object.assign(pull, { state, by: 'the-token' });
    return { status: 200, body: shown(host, pull) };
  },
};

function list(host: PullHost, query: URLSearchParams): ApiAnswer {
  const state = query.get('state') ?? 'open';
  const head = query.get('head');
  const found = host.pulls
    .filter((pull) => state === 'all' || (state === 'open') === (pull.state === 'open'))
    // A head without its owner does not filter.
    .filter((pull) => !head?.includes(':') || head === `team:${pull.branch}`)
    .toReversed();
  const size = Math.min(Number(query.get('per_page') ?? 30), 100);
  const address = `${host.url}/api/v3/repos/team/app/pulls?${query}`;
  const { items, link } = pageOf(found, Number(query.get('page') ?? 1), size, address);
  return { status: 200, body: items.map((pull) => listed(host, pull)), headers: link ? { link } : {} };
}

async function create(host: PullHost, body: Record<string, unknown>): Promise<ApiAnswer> {
  const known = ['title', 'head', 'head_repo', 'base', 'body', 'maintainer_can_modify', 'draft', 'issue'];
  const unknown = unknownMembers(body, known);
  if (unknown.length > 0) return invalid({ resource: 'PullRequest', field: unknown[0], code: 'unknown' });
  const { title, head, base, body: text = '' } = body as Record<string, string>;
  if (!title) return invalid({ resource: 'PullRequest', field: 'title', code: 'missing_field' });
  const branch = head?.replace(/^team:/, '') ?? '';
  const [tip, target] = [await host.tip(branch), await host.tip(base ?? '')];
  if (!tip) return invalid({ resource: 'PullRequest', field: 'head', code: 'invalid' });
  if (!target || !base) return invalid({ resource: 'PullRequest', field: 'base', code: 'invalid' });
  const message = (said: string) => invalid({ resource: 'PullRequest', code: 'custom', message: said });
  if (tip === target) return message(`No commits between ${base} and ${branch}`);
  const other = host.pulls.find((pull) => pull.branch === branch && pull.base === base && pull.state === 'open');
  if (other) return message(`A pull request already exists for team:${branch}.`);
  return { status: 201, body: shown(host, await host.open({ title, body: text, branch, base })) };
}
