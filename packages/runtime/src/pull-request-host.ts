// Whose API opens a project's pull requests: judged by the gateway when a project says so, and again by the runner that calls it.
//
// 1. The project's token is shown to the server that it was set for, and nowhere else: the API is on the server of the repository's
//    address, or on the one that belongs to it by the host's own word ("api." before its name).
// 2. Which host it is follows from the address for github.com and gitlab.com; for every other server the project says it.

import { type PullRequestHost, pullRequestHosts, type PullRequestSettings } from '@worktrail/contract/documents';

export interface PullRequestApi {
  host: PullRequestHost;
  /** Without a slash at its end. */
  apiUrl: string;
  /** As the host names the repository: "team/app". */
  repository: string;
}

/** `path`: the member of the project that is to blame. */
export class NoPullRequests extends Error {
  override readonly name = 'NoPullRequests';
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

const known: Record<string, PullRequestHost> = { 'github.com': 'github', 'gitlab.com': 'gitlab' };
const apiPaths: Record<PullRequestHost, string> = { github: '/api/v3', gitlab: '/api/v4', gitea: '/api/v1' };

/** @throws NoPullRequests */
export function pullRequestApi(repositoryUrl: string, settings: PullRequestSettings | null): PullRequestApi {
  const remote = URL.canParse(repositoryUrl) ? new URL(repositoryUrl) : undefined;
  if (remote?.protocol !== 'https:') {
    const message = 'pull_request needs a repository.url of https, whose token opens the pull request';
    throw new NoPullRequests('approval.mergeMethod', message);
  }
  const host = settings?.host ?? known[remote.hostname];
  if (host === undefined || host !== (known[remote.hostname] ?? host)) {
    const message =
      host === undefined ? `must be said, for ${remote.host}: ${pullRequestHosts.join(', ')}` : 'is another';
    throw new NoPullRequests('approval.pullRequest.host', message);
  }
  const api = new URL(settings?.apiUrl ?? usualApi(host, remote));
  if (!isOf(api, remote)) {
    const message = `must be on the server of repository.url, ${remote.origin}, without a user, query or fragment`;
    throw new NoPullRequests('approval.pullRequest.apiUrl', message);
  }
  const apiPath = api.pathname.replace(/\/+$/, '');
  const usual = apiPaths[host];
  if (host !== 'github' && !apiPath.endsWith(usual)) {
    throw new NoPullRequests('approval.pullRequest.apiUrl', `must end with ${usual}`);
  }
  const prefix = apiPath.endsWith(usual) ? apiPath.slice(0, -usual.length) : '';
  return { host, apiUrl: `${api.origin}${apiPath}`, repository: repositoryName(remote, prefix, host) };
}

function usualApi(host: PullRequestHost, remote: URL): string {
  if (remote.hostname === 'github.com') return 'https://api.github.com';
  return `${remote.origin}${apiPaths[host]}`;
}

function isOf(api: URL, remote: URL): boolean {
  const isPlain = api.username === '' && api.password === '' && api.search === '' && api.hash === '';
  const isThere = api.origin === remote.origin || (api.host === `api.${remote.host}` && api.protocol === 'https:');
  return isPlain && isThere;
}

function repositoryName(remote: URL, prefix: string, host: PullRequestHost): string {
  const path = remote.pathname.replace(/\/+$/, '').replace(/\.git$/, '');
  const name = path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : '';
  const parts = name.split('/');
  const isName = parts.every((part) => /^[\w.-]+$/.test(part) && part !== '.' && part !== '..');
  if (!isName || parts.length < 2 || (host !== 'gitlab' && parts.length > 2)) {
    throw new NoPullRequests('repository.url', `names no repository of ${host}: its path must be owner and name`);
  }
  return name;
}
