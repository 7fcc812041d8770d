// Search in a project's repository: symbols, text and files of one of its commits, from the index that a runner makes of them.
//
// 1. It is of what upstream has, never of what a session changed.
// 2. What somebody is shown who works in a session (`sessionId`) is in its history, as `context.referenced`, before it is answered.
// 3. The first search of a commit waits while it is indexed, for 10 s; after that it answers from what there is, and `complete` is false.

import { z } from '@hono/zod-openapi';
import {
  type ContextAnswer,
  contextHitsMax,
  type ContextKind,
  contextKinds,
  contextPathLengthMax,
  contextQueryLengthMax,
  type ContextSearchRequest,
  type ContextWithin,
} from '@worktrail/contract/context';
import { WorktrailError } from '@worktrail/contract/errors';
import { newId } from '@worktrail/contract/ids';
import type { Principal } from '../authorize.ts';
import { unavailable } from '../deadline.ts';
import { servingRunner } from '../git/serving-runner.ts';
import type { Api } from '../http/api.ts';
import { queryInteger } from '../http/query-number.ts';
import { json } from '../http/reply.ts';
import { invalid } from '../problem.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { RunnerRequests } from '../runners/runner-requests.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionCensus } from '../sessions/session-census.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { gitRef } from '../sessions/git-ref.ts';
import { id, text } from '../text.ts';

/** A runner that has nothing of the repository fetches it first. */
const searchTimeoutMs = 60_000;
const limitDefault = 20;

const hitSchema = z
  .object({
    kind: z.enum(contextKinds),
    path: z.string().openapi({ description: 'Bytes that are not UTF-8, and control characters, as \\x escapes.' }),
    firstLine: z
      .int()
      .openapi({ description: 'Of what the snippet shows, from 1; 0 of a file without indexed content.' }),
    lastLine: z.int(),
    blob: z.string().openapi({ description: 'The id of the content, as git names it.' }),
    score: z.number().openapi({ description: 'From 0 to 1: 1 is a name that is exactly what was asked for.' }),
    language: z.string().nullable(),
    snippet: z.string().openapi({ description: 'At most 12 lines; long ones are cut.' }),
    symbol: z
      .object({
        name: z.string(),
        kind: z.string().openapi({ example: 'function' }),
        parent: z.string().nullable().openapi({ description: 'What it is defined in.' }),
        firstLine: z.int().openapi({ description: 'Of all of the definition.' }),
        lastLine: z.int(),
      })
      .optional(),
  })
  .openapi('ContextHit');

const searchSchema = z
  .object({
    items: z.array(hitSchema).openapi({ description: 'The best first.' }),
    commit: z.string(),
    repository: z.string(),
    index: z.object({
      complete: z.boolean().openapi({ description: 'False: it is still being made; more may be found later.' }),
      files: z.int(),
      indexed: z.int(),
      skipped: z.record(z.string(), z.int()).openapi({
        description: 'Files whose content is not indexed, by reason.',
        example: { binary: 3, vendored: 120 },
      }),
    }),
  })
  .openapi('ContextSearch');

const querySchema = z.object({
  q: text(contextQueryLengthMax)
    .refine((value) => /[\p{L}\p{N}]/u.test(value), 'must have a letter or digit')
    .openapi({ description: 'A name, words, or a path.' }),
  ref: gitRef.optional().openapi({ description: 'Branch, tag or commit; default: the default branch as it is now.' }),
  limit: queryInteger({ min: 1, max: contextHitsMax, byDefault: limitDefault }),
  kind: z
    .string()
    .max(100)
    .default(contextKinds.join(','))
    .transform((value) => value.split(',').map((one) => one.trim()))
    .refine((kinds): kinds is ContextKind[] => kinds.every((one) => contextKinds.some((kind) => kind === one)), {
      message: `must be ${contextKinds.join(', ')}, or several of them with commas`,
    })
    .openapi({ type: 'string', description: `${contextKinds.join(', ')}; several with commas. Default: all.` }),
  path: text(contextPathLengthMax)
    .optional()
    .openapi({ description: 'Only below this directory, or what matches a pattern with `*`, `**` and `?`.' }),
  language: z
    .string()
    .regex(/^[a-z0-9+#-]{1,40}$/, 'must be the name of a language in lower case')
    .optional()
    .openapi({ example: 'typescript' }),
  sessionId: id('session')
    .optional()
    .openapi({ description: 'A session of the project: what is shown stands in its history. Needs the scope `run`.' }),
});

export interface ContextRouteDeps {
  projects: ProjectReader;
  sessions: SessionReader;
  census: SessionCensus;
  runners: RunnerView;
  requests: RunnerRequests;
}

export function addContextRoutes(api: Api, deps: ContextRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/projects/{projectId}/context',
      tag: 'Context',
      summary: "Search symbols, text and files of the project's repository",
      action: 'context.read',
      params: z.object({ projectId: id('project') }),
      query: querySchema,
      answers: { 200: { description: 'What was found', schema: searchSchema } },
    },
    async ({ principal, params: { projectId }, query, signal }) => {
      const { organizationId, repository } = (await deps.projects.open(principal, projectId, 'context.read')).value;
      const runnerId = servingRunner(projectId, await deps.runners.list(), await runnersOf(deps.census, projectId));
      if (runnerId === undefined) throw unavailable('sandbox-runner', 'no runner is alive');
      const { q, limit, kind, ref = null, path = null, language = null } = query;
      const within = await sessionWithin(deps.sessions, principal, projectId, query.sessionId);
      const asked: ContextSearchRequest = {
        ...{ organizationId, repository, ref, query: q, limit, path, language, within },
        kinds: contextKinds.filter((one) => kind.includes(one)),
      };
      const request = {
        ...{ method: 'POST' as const, path: `context/${projectId}/search`, json: asked },
        ...{ signal, timeoutMs: searchTimeoutMs },
      };
      const answer = await deps.requests.ask(runnerId, request).catch((error: unknown) => {
        const isUnknown = error instanceof WorktrailError && error.code === 'not_found';
        throw isUnknown ? invalid({ path: 'ref', message: error.message }) : error;
      });
      const { hits, ...rest } = (await new Response(answer.body).json()) as ContextAnswer;
      return json(200, { items: hits, ...rest });
    },
  );
}

async function sessionWithin(
  sessions: SessionReader,
  principal: Principal,
  projectId: string,
  sessionId: string | undefined,
): Promise<ContextWithin | null> {
  if (sessionId === undefined) return null;
  const { document } = await sessions.open(principal, sessionId, 'context.refer').catch((error: unknown) => {
    const isUnknown = error instanceof WorktrailError && error.code === 'not_found';
    throw isUnknown ? invalid({ path: 'sessionId', message: error.message }) : error;
  });
  if (document.projectId !== projectId) throw invalid({ path: 'sessionId', message: 'is of another project' });
  if (document.state === 'archived') throw new WorktrailError('session_archived', 'the session is archived');
  const { organizationId, partition, generation } = document;
  return {
    session: { organizationId, projectId, sessionId, partition, generation },
    producer: `search-${newId('event')}`,
    actor: { kind: 'user', id: principal.id },
  };
}

async function runnersOf(census: SessionCensus, projectId: string): Promise<(string | null)[]> {
  const sessions = [...(await census.live()).values()];
  return sessions.filter((session) => session.projectId === projectId).map(({ runnerId }) => runnerId);
}
