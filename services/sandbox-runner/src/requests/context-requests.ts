// Search in the index of a project's repository. What is shown to somebody who works in a session is in its history before it is answered.

import {
  contextHitsMax,
  contextKinds,
  contextPathLengthMax,
  contextQueryLengthMax,
  contextReferenced,
  type ContextSearchRequest,
} from '@worktrail/contract/context';
import { WorktrailError } from '@worktrail/contract/errors';
import { isId } from '@worktrail/contract/ids';
import { createProducer, type ProducerDeps } from '@worktrail/runtime/event-producer';
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
  within: z
    .object({
      session: z.object({
        organizationId: z.string(),
        projectId: z.string(),
        sessionId: z.string(),
        partition: z.int(),
        generation: z.int(),
      }),
      producer: z.string(),
      actor: z.object({ kind: z.enum(['user', 'agent', 'system']), id: z.string() }),
    })
    .nullable(),
}) satisfies z.ZodType<ContextSearchRequest>;

export interface ContextRouteDeps {
  context: RepositoryContext;
  events: ProducerDeps;
  clock: () => number;
}

export function contextRoutes({ context, events, clock }: ContextRouteDeps): RunnerRoute[] {
  return [
    {
      method: 'POST',
      path: '/internal/v1/context/{projectId}/search',
      async handle({ params: { projectId = '' }, request, response, signal }) {
        const asked = searchRequest.safeParse(await readJson(request));
        if (!asked.success) throw new WorktrailError('malformed_request', z.prettifyError(asked.error).slice(0, 500));
        if (!isId(projectId, 'project')) throw new WorktrailError('not_found', 'no such project');
        const { within, ...search } = asked.data;
        const answer = await context.search({ projectId, ...search }, signal).catch((error: unknown) => {
          throw error instanceof SessionFailure ? refusal(error) : error;
        });
        if (within) {
          const { session, producer, actor } = within;
          const payload = contextReferenced(search.query, answer);
          await createProducer(events, { ...session, producer, signal }).append({
            time: new Date(clock()),
            actor,
            payload,
          });
        }
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
