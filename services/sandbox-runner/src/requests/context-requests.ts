// Search in the index of a project's repository.

import {
  contextHitsMax,
  contextKinds,
  contextPathLengthMax,
  contextQueryLengthMax,
  type ContextSearchRequest,
} from '@worktrail/contract/context';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import { z } from 'zod';
import type { RepositoryContext } from '../context/repository-context.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { answerJson, type RunnerRoute, readJson } from './request-router.ts';

const searchRequest = z.object({
  organizationId: z.string().refine((value) => isId(value, 'organization')),
  repository: z.object({ url: z.string(), defaultBranch: z.string() }),
  ref: z.string().nullable(),
  query: z.string().max(contextQueryLengthMax),
  limit: z.int().min(1).max(contextHitsMax),
  kinds: z.array(z.enum(contextKinds)).max(contextKinds.length),
  path: z.string().max(contextPathLengthMax).nullable(),
  language: z.string().nullable(),
}) satisfies z.ZodType<ContextSearchRequest>;

export function contextRoutes(context: RepositoryContext): RunnerRoute[] {
  return [
    {
      method: 'POST',
      path: '/internal/v1/context/{projectId}/search',
      async handle({ params: { projectId = '' }, request, response, signal }) {
        const asked = searchRequest.safeParse(await readJson(request));
        if (!asked.success) throw new WorktrailError('malformed_request', z.prettifyError(asked.error).slice(0, 500));
        if (!isId(projectId, 'project')) throw new WorktrailError('not_found', 'no such project');
        const answer = await context.search({ projectId, ...asked.data }, signal).catch((error: unknown) => {
          throw error instanceof SessionFailure ? refusal(error) : error;
        });
        answerJson(response, 200, answer);
      },
    },
  ];
}

/** `not_found`: of the ref. */
function refusal(failure: SessionFailure): unknown {
  const code = (
    {
      base_ref_not_found: 'not_found',
      repository_not_allowed: 'repository_not_allowed',
      repository_unreachable: 'dependency_unavailable',
    } as const
  )[failure.code as string];
  return code ? new WorktrailError(code, failure.message, { cause: failure }) : failure;
}
