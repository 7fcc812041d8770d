// Gitea's REST API as its own swagger document has it, as far as pull requests of one repository go.

import { type ApiAnswer, type HostApi, pageOf, type Pull, type PullHost, unknownMembers } from './pull-request-api.ts';

const notFound: ApiAnswer = { status: 404, body: { message: "The target couldn't be found.", errors: [] } };
const created = [
  ...['assignee', 'assignees', 'base', 'body', 'due_date', 'head', 'labels', 'milestone', 'title'],
  ...['reviewers', 'team_reviewers', 'allow_maintainer_edit'],
];
const edited = [...created.filter((name) => name !== 'head'), 'state', 'unset_due_date'];
const sizeMax = 50;

function shown(host: PullHost, pull: Pull) {
  const isMerged = pull.state === 'merged';
  return {
    ...{ id: 1_000 + pull.number, number: pull.number, title: pull.title, body: pull.body, merged: isMerged },
    ...{ state: pull.state === 'open' ? 'open' : 'closed', html_url: `${host.url}/team/app/pulls/${pull.number}` },
    merge_commit_sha: pull.mergeCommit,
    merged_by: isMerged && pull.by ? { id: 7, login: pull.by } : null,
    base: { label: pull.base, ref: pull.base, sha: 'b'.repeat(40), repo_id: 42 },
    // Without its branch it is called by the ref that stays.
    head: {
      label: pull.branch,
      ref: pull.hasBranch ? pull.branch : `refs/pull/${pull.number}/head`,
      sha: pull.sha,
      repo_id: 42,
    },
  };
}

export const giteaApi: HostApi = {
  prefix: '/api/v1',
  isKnown: ({ authorization }, token) => [`token ${token}`, `Bearer ${token}`].includes(authorization ?? ''),
  unknown: { status: 401, body: { message: 'token is required' } },
  async answer(host, { method, path, query, body }) {
    const at = /^\/repos\/team\/app\/pulls(?:\/(\d+))?$/.exec(path);
    if (!at) return notFound;
    if (at[1] === undefined) return method === 'POST' ? create(host, body) : list(host, query);
    const pull = host.pulls.find((one) => one.number === Number(at[1]));
    if (!pull) return notFound;
    if (method === 'GET') return { status: 200, body: shown(host, pull) };
    const unknown = unknownMembers(body, edited);
    if (method !== 'PATCH' || unknown.length > 0) return { status: 422, body: { message: `unknown: ${unknown}` } };
    const { title = pull.title, body: text = pull.body, state } = body as Partial<Record<string, string>>;
    Object.assign(pull, { title, body: text });
    if (state === 'closed' && pull.state === 'open') Object.assign(pull, { state: 'closed', by: null });
    return { status: 201, body: shown(host, pull) };
  },
};

function list(host: PullHost, query: URLSearchParams): ApiAnswer {
  const state = query.get('state') ?? 'open';
  const found = host.pulls
    .filter((pull) => state === 'all' || (state === 'open') === (pull.state === 'open'))
    .toReversed();
  const size = Math.min(Number(query.get('limit') ?? 30), sizeMax);
  const address = `${host.url}/api/v1/repos/team/app/pulls?${query}`;
  const { items, link, total } = pageOf(found, Number(query.get('page') ?? 1), size, address);
  const body = items.map((pull) => shown(host, pull));
  return { status: 200, body, headers: { 'x-total-count': total, ...(link && { link }) } };
}

async function create(host: PullHost, body: Record<string, unknown>): Promise<ApiAnswer> {
  const unknown = unknownMembers(body, created);
  const { title, head: branch, base, body: text = '' } = body as Record<string, string>;
  if (unknown.length > 0 || !title || !branch || !base)
    return { status: 422, body: { message: `unknown: ${unknown}` } };
  if (!(await host.tip(branch)) || !(await host.tip(base))) return notFound;
  const other = host.pulls.find((pull) => pull.branch === branch && pull.base === base && pull.state === 'open');
  if (other) {
    const message = `pull request already exists for these targets [id: ${other.number}, head_branch: ${branch}]`;
    return { status: 409, body: { message } };
  }
  return {
    status: 201,
    body: shown(host, { ...(await host.open({ title, body: text, branch, base })), hasBranch: true }),
  };
}
