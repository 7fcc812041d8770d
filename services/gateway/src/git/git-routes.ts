// A project's repository for plain git, to be read: smart HTTP, protocols 0 to 2, the key as password with any user name.
//
// 1. It shows upstream's branches and tags as mirrored, each session's branch, and as refs/worktrail/checkpoints/<session>/<number> the
//    newest checkpoint of each.
// 2. Nothing is written: git's push is refused.
// 3. What git reads streams through from a runner; who reads slowly slows that down, and who goes ends it.

import { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import {
  gitProtocolParameter,
  type ServeRequest,
  servedSessionsMax,
  uploadPackRequestBytesMax,
} from '@worktrail/contract/served-repositories';
import { unavailable } from '../deadline.ts';
import type { Api } from '../http/api.ts';
import type { Reply } from '../http/reply.ts';
import { invalid, Problem } from '../problem.ts';
import type { Principal } from '../authorize.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import type { RunnerAnswer, RunnerRequest, RunnerRequests } from '../runners/runner-requests.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionCensus } from '../sessions/session-census.ts';
import { advertisementHead, gitProtocol, plainBody } from './git-message.ts';
import { servingRunner } from './serving-runner.ts';

const tag = 'Git';
const path = '/v1/git/{repository}';
const repository = z
  .string()
  .refine((value) => value.endsWith('.git') && isId(value.slice(0, -4), 'project'), 'must be <projectId>.git')
  .openapi({ example: 'prj_01jd0000000000000000000000.git' });
const params = z.object({ repository });
/** The first fetch of upstream, and of what the sessions have. */
const makeMsMax = 300_000;
/** To the first byte: until then a request may wait for its turn, and git counts objects. */
const answerMsMax = 60_000;

export interface GitRouteDeps {
  projects: ProjectReader;
  census: SessionCensus;
  runners: RunnerView;
  runnerRequests: RunnerRequests;
}

export function addGitRoutes(api: Api, deps: GitRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: `${path}/info/refs`,
      tag,
      summary: "Begin a clone or fetch of the project's repository by plain git",
      action: 'git.read',
      orPassword: true,
      params,
      query: z.object({ service: z.string().optional() }),
      answers: {
        200: { description: 'What there is', contentTypes: ['application/x-git-upload-pack-advertisement'] },
      },
    },
    async ({ principal, params: given, query, headers, signal }) => {
      const project = await open(deps, principal, given.repository);
      requireReading(query.service);
      const protocol = gitProtocol(headers.get('git-protocol'));
      const ask = await prepare(deps, project, signal);
      const { body } = await ask({ method: 'GET', path: 'refs', query: { [gitProtocolParameter]: protocol } });
      return reply('advertisement', prefixed(advertisementHead(protocol), body));
    },
  );
  api.route(
    {
      method: 'post',
      path: `${path}/git-upload-pack`,
      tag,
      summary: 'What git asks for next',
      action: 'git.read',
      orPassword: true,
      params,
      rawBodyBytesMax: uploadPackRequestBytesMax,
      keepsNoAnswer: true,
      answers: { 200: { description: 'Refs or objects', contentTypes: ['application/x-git-upload-pack-result'] } },
    },
    async ({ principal, params: given, rawBody, headers, signal }) => {
      const project = await open(deps, principal, given.repository);
      const asked = await plainBody(rawBody, headers.get('content-encoding'), uploadPackRequestBytesMax);
      const request = {
        ...{ method: 'POST' as const, path: 'upload-pack', body: asked },
        query: { [gitProtocolParameter]: gitProtocol(headers.get('git-protocol')) },
      };
      const ask = await choose(deps, project, signal);
      try {
        return reply('result', (await ask(request)).body);
      } catch (error) {
        // A runner that has begun anew since, or another one.
        if (!(error instanceof WorktrailError && error.code === 'not_found')) throw error;
        return reply('result', (await (await prepare(deps, project, signal))(request)).body);
      }
    },
  );
}

async function open(
  { projects }: GitRouteDeps,
  principal: Principal,
  repositoryName: string,
): Promise<ProjectDocument> {
  return (await projects.open(principal, repositoryName.slice(0, -'.git'.length), 'git.read')).value;
}

function requireReading(service: string | undefined): void {
  if (service === 'git-upload-pack') return;
  if (service === 'git-receive-pack') {
    const detail = 'this repository is read-only: what a session changed reaches upstream by a proposal';
    throw new Problem('method_not_allowed', detail, { headers: { allow: 'GET' } });
  }
  throw invalid({ path: 'service', message: 'must be git-upload-pack: git of version 1.6.6 or newer sends it' });
}

type Ask = (request: Omit<RunnerRequest, 'signal' | 'timeoutMs'>, timeoutMs?: number) => Promise<RunnerAnswer>;

/** The runner that serves the project, as one to be asked below its path. */
async function choose(deps: GitRouteDeps, project: ProjectDocument, signal: AbortSignal): Promise<Ask> {
  const sessions = (await sessionsOf(deps, project)).map(({ runnerId }) => runnerId);
  const runnerId = servingRunner(project.id, await deps.runners.list(), sessions);
  if (runnerId === undefined) throw unavailable('sandbox-runner', 'no runner is alive');
  return (request, timeoutMs = answerMsMax) =>
    deps.runnerRequests.ask(runnerId, {
      ...request,
      path: `git/${project.id}${request.path && `/${request.path}`}`,
      signal,
      timeoutMs,
    });
}

/** As `choose`, after the runner has made the repository as it is now. */
async function prepare(deps: GitRouteDeps, project: ProjectDocument, signal: AbortSignal): Promise<Ask> {
  const ask = await choose(deps, project, signal);
  const { organizationId, repository: of } = project;
  const sessionIds = (await sessionsOf(deps, project)).map(({ id }) => id);
  const request: ServeRequest = { organizationId, repository: of, sessionIds };
  await ask({ method: 'PUT', path: '', json: request }, makeMsMax);
  return ask;
}

/** Live or asleep, the newest ones. */
async function sessionsOf({ census }: GitRouteDeps, project: ProjectDocument) {
  const found: { id: string; runnerId: string | null }[] = [];
  for (const [id, session] of await census.live()) {
    if (session.projectId === project.id && session.state !== 'creating')
      found.push({ id, runnerId: session.runnerId });
  }
  return found.toSorted((one, two) => (one.id < two.id ? 1 : -1)).slice(0, servedSessionsMax);
}

function reply(what: 'advertisement' | 'result', body: Reply['body']): Reply {
  const headers = {
    'content-type': `application/x-git-upload-pack-${what}`,
    'cache-control': 'no-cache, max-age=0, must-revalidate',
  };
  return { status: 200, headers, body };
}

function prefixed(head: string, body: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> {
  const reader = body?.getReader();
  let isFirst = head !== '';
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (isFirst) {
          isFirst = false;
          controller.enqueue(Buffer.from(head));
          return;
        }
        const next = await reader?.read();
        if (!next || next.done) controller.close();
        else controller.enqueue(next.value);
      },
      cancel: (reason) => reader?.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
