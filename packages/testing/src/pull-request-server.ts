// A host of repositories as services have them: git over https, and beside it the API for pull requests that GitHub, GitLab or Gitea
// document, with their paths, statuses, headers and bodies. What their documentation does not have is refused. The branches are those of a
// real bare repository, and so is what is merged.

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GitHttpsServer, startGitHttpsServer } from './git-https-server.ts';
import { giteaApi } from './pull-request-server-gitea.ts';
import { githubApi } from './pull-request-server-github.ts';
import { gitlabApi } from './pull-request-server-gitlab.ts';

const run = promisify(execFile);

export interface Pull {
  number: number;
  title: string;
  body: string;
  branch: string;
  base: string;
  state: 'open' | 'closed' | 'merged';
  /** While it is open, the branch's. */
  sha: string;
  mergeCommit: string | null;
  squashed: boolean;
  by: string | null;
}

export interface ApiCall {
  method: string;
  /** Below the API's own, as it came: still encoded. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

export interface ApiAnswer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface HostApi {
  /** "/api/v3" */
  prefix: string;
  isKnown(headers: IncomingMessage['headers'], token: string): boolean;
  unknown: ApiAnswer;
  answer(host: PullHost, call: ApiCall): Promise<ApiAnswer>;
}

/** What an API is made of. */
export interface PullHost {
  readonly url: string;
  readonly pulls: Pull[];
  tip(branch: string): Promise<string | undefined>;
  open(of: Pick<Pull, 'title' | 'body' | 'branch' | 'base'>): Promise<Pull>;
}

export interface PullRequestServer extends PullHost {
  /** The bare repository of team/app. */
  readonly repository: string;
  readonly git: GitHttpsServer;
  readonly calls: ApiCall[];
  /** Asked before a call is answered, and once more after it has had its effect; null: the connection is cut. */
  fault: (call: ApiCall, isDone: boolean) => ApiAnswer | null | undefined;
  /** Somebody merges it there: what is on the target then. */
  merge(number: number, by: string, how?: 'merge' | 'squash'): Promise<string>;
  closeByHand(number: number, by: string): Promise<void>;
  close(): Promise<void>;
}

const apis = { github: githubApi, gitlab: gitlabApi, gitea: giteaApi };

/** @param from is cloned as the repository team/app. */
export async function startPullRequestServer(
  kind: keyof typeof apis,
  {
    scratch,
    from,
    token,
    username = 'x-access-token',
  }: { scratch: string; from: string; token: string; username?: string },
): Promise<PullRequestServer> {
  const api = apis[kind];
  const root = join(scratch, 'served');
  const repository = join(root, 'team', 'app.git');
  await mkdir(join(root, 'team'), { recursive: true });
  await run('git', ['clone', '-q', '--bare', from, repository]);
  const git = async (...args: string[]) => {
    const identity = ['-c', 'user.name=Host', '-c', 'user.email=host@example.org'];
    return (await run('git', ['-C', repository, ...identity, ...args])).stdout.trim();
  };
  const tip = (branch: string) =>
    git('rev-parse', '--verify', '-q', `refs/heads/${branch}^{commit}`).catch(() => undefined);
  /** An open one follows its branch. */
  const refresh = async () => {
    const printed = await git('for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/heads/');
    const tips = new Map(printed.split('\n').map((line) => line.split(' ') as [string, string]));
    for (const pull of server.pulls) if (pull.state === 'open') pull.sha = tips.get(pull.branch) ?? pull.sha;
  };
  const find = async (number: number) => {
    const pull = server.pulls.find((one) => one.number === number);
    if (!pull) throw new Error(`there is no pull request ${number}`);
    await refresh();
    return pull;
  };

  const handle = (request: IncomingMessage, response: ServerResponse): boolean => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://host');
    if (!pathname.startsWith(`${api.prefix}/`)) return false;
    void (async () => {
      const { method = 'GET', headers } = request;
      const path = pathname.slice(api.prefix.length);
      const call: ApiCall = { method, path, query: searchParams, headers, body: await bodyOf(request) };
      server.calls.push(call);
      let answer = server.fault(call, false);
      if (answer === undefined) {
        await refresh();
        answer = api.isKnown(headers, token) ? await api.answer(server, call) : api.unknown;
        const instead = server.fault(call, true);
        if (instead !== undefined) answer = instead;
      }
      if (answer === null) return void request.socket.destroy();
      const text = answer.body === undefined ? '' : JSON.stringify(answer.body);
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(text);
    })();
    return true;
  };
  const https = await startGitHttpsServer({ root, scratch, username, password: token, handle });

  const server: PullRequestServer = {
    ...{ url: https.url, repository, git: https, pulls: [], calls: [], fault: () => undefined, tip },
    async open(of) {
      const number = server.pulls.length + 1;
      const rest = { mergeCommit: null, squashed: false, by: null };
      const pull: Pull = { ...of, number, state: 'open', sha: (await tip(of.branch)) ?? '', ...rest };
      server.pulls.push(pull);
      return pull;
    },
    async merge(number, by, how = 'merge') {
      const pull = await find(number);
      const target = await tip(pull.base);
      const tree = (await git('merge-tree', '--write-tree', target!, pull.sha)).split('\n')[0]!;
      const parents = how === 'merge' ? ['-p', target!, '-p', pull.sha] : ['-p', target!];
      const commit = await git('commit-tree', tree, ...parents, '-m', `${pull.title} (#${number})`);
      await git('update-ref', `refs/heads/${pull.base}`, commit, target!);
      Object.assign(pull, { state: 'merged', mergeCommit: commit, squashed: how === 'squash', by });
      return commit;
    },
    async closeByHand(number, by) {
      Object.assign(await find(number), { state: 'closed', by });
    },
    close: () => https.close(),
  };
  return server;
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
}

/** One page, and where the next one is. */
export function pageOf<T>(items: readonly T[], page: number, size: number, address: string) {
  const isMore = items.length > page * size;
  const url = new URL(address);
  url.searchParams.set('page', String(page + 1));
  return {
    items: items.slice((page - 1) * size, page * size),
    nextPage: isMore ? String(page + 1) : '',
    ...{ link: isMore ? `<${url.href}>; rel="next"` : '', total: String(items.length) },
  };
}

/** Members that an API does not document. */
export function unknownMembers(body: Record<string, unknown>, known: readonly string[]): string[] {
  return Object.keys(body).filter((name) => !known.includes(name));
}
