// A host of repositories as services have them: git over https, and beside it the API for pull requests that GitHub, GitLab or Gitea
// document, with their paths, statuses, headers and bodies. What their documentation does not have is refused. The branches are those of a
// real bare repository, and so is what is merged.

import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GitHttpsServer, startGitHttpsServer } from './git-https-server.ts';
import type { ApiAnswer, ApiCall, Pull, PullHost } from './pull-request-api.ts';
import { giteaApi } from './pull-request-server-gitea.ts';
import { githubApi } from './pull-request-server-github.ts';
import { gitlabApi } from './pull-request-server-gitlab.ts';

const run = promisify(execFile);

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
    for (const pull of server.pulls) {
      const tip = tips.get(pull.branch);
      pull.hasBranch = tip !== undefined;
      if (pull.state === 'open') pull.sha = tip ?? pull.sha;
    }
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
