// GitLab's REST API as docs.gitlab.com/api/merge_requests has it (v4), as far as merge requests of one project go.

import { type ApiAnswer, type HostApi, pageOf, type Pull, type PullHost, unknownMembers } from './pull-request-api.ts';

const notFound: ApiAnswer = { status: 404, body: { message: '404 Not found' } };
const created = [
  ...['source_branch', 'target_branch', 'title', 'description', 'allow_collaboration', 'approvals_before_merge'],
  ...['assignee_id', 'assignee_ids', 'labels', 'milestone_id', 'remove_source_branch', 'reviewer_ids', 'squash'],
  ...['target_project_id', 'merge_after'],
];
const edited = [...created.filter((name) => name !== 'source_branch'), 'state_event', 'discussion_locked'];
const states = { open: 'opened', closed: 'closed', merged: 'merged' };
const user = (username: string | null) => username && { id: 7, username, name: username, state: 'active' };

function shown(host: PullHost, pull: Pull) {
  const { number: iid, title, body: description, state, squashed, mergeCommit } = pull;
  return {
    ...{ id: 1_000 + iid, iid, project_id: 42, title, description, state: states[state] },
    ...{ web_url: `${host.url}/team/app/-/merge_requests/${iid}`, draft: false, sha: pull.sha },
    ...{ source_branch: pull.branch, target_branch: pull.base, source_project_id: 42, target_project_id: 42 },
    // Squashed without a merge commit, as where projects merge fast-forward.
    ...{ merge_commit_sha: squashed ? null : mergeCommit, squash_commit_sha: squashed ? mergeCommit : null },
    ...{ merge_user: state === 'merged' ? user(pull.by) : null, closed_by: state === 'closed' ? user(pull.by) : null },
  };
}

export const gitlabApi: HostApi = {
  prefix: '/api/v4',
  isKnown: ({ authorization, 'private-token': own }, token) => authorization === `Bearer ${token}` || own === token,
  unknown: { status: 401, body: { message: '401 Unauthorized' } },
  async answer(host, { method, path, query, body }) {
    const at = /^\/projects\/team%2Fapp\/merge_requests(?:\/(\d+))?$/i.exec(path);
    if (!at) return { status: 404, body: { message: '404 Project Not Found' } };
    if (at[1] === undefined) return method === 'POST' ? create(host, body) : list(host, query);
    const pull = host.pulls.find((one) => one.number === Number(at[1]));
    if (!pull) return notFound;
    if (method === 'GET') return { status: 200, body: shown(host, pull) };
    const unknown = unknownMembers(body, edited);
    if (method !== 'PUT' || unknown.length > 0) return { status: 400, body: { error: `${unknown} is invalid` } };
    const { title = pull.title, description = pull.body, state_event: event } = body as Partial<Record<string, string>>;
    Object.assign(pull, { title, body: description });
    if (event === 'close' && pull.state === 'open') Object.assign(pull, { state: 'closed', by: 'the-token' });
    return { status: 200, body: shown(host, pull) };
  },
};

function list(host: PullHost, query: URLSearchParams): ApiAnswer {
  const state = query.get('state') ?? 'all';
  const [source, target] = [query.get('source_branch'), query.get('target_branch')];
  const found = host.pulls
    .filter((pull) => state === 'all' || states[pull.state] === state)
    .filter((pull) => source === null || pull.branch === source)
    .filter((pull) => target === null || pull.base === target)
    .toReversed();
  const size = Math.min(Number(query.get('per_page') ?? 20), 100);
  const page = Number(query.get('page') ?? 1);
  const address = `${host.url}/api/v4/projects/team%2Fapp/merge_requests?${query}`;
  const { items, link, nextPage, total } = pageOf(found, page, size, address);
  const headers = { 'x-page': String(page), 'x-next-page': nextPage, 'x-per-page': String(size), 'x-total': total };
  return { status: 200, body: items.map((pull) => shown(host, pull)), headers: { ...headers, ...(link && { link }) } };
}

async function create(host: PullHost, body: Record<string, unknown>): Promise<ApiAnswer> {
  const unknown = unknownMembers(body, created);
  if (unknown.length > 0) return { status: 400, body: { error: `${unknown} is invalid` } };
  const { source_branch: branch, target_branch: base, title, description = '' } = body as Record<string, string>;
  if (!branch || !base || !title) return { status: 400, body: { error: 'source_branch is missing' } };
  if (!(await host.tip(base))) return { status: 422, body: { message: { target_branch: ['does not exist'] } } };
  const other = host.pulls.find((pull) => pull.branch === branch && pull.base === base && pull.state === 'open');
  if (other) {
    const message = [`Another open merge request already exists for this source branch: !${other.number}`];
    return { status: 409, body: { message } };
  }
  return { status: 201, body: shown(host, await host.open({ title, body: description, branch, base })) };
}
