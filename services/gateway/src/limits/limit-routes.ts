// The quotas of an organization and how much of them is used.
//
// 1. What is used is counted from the documents of live sessions: a session that several commands run in counts as one of them, as does one
//    with a turn of an agent, which may run one at any moment; one whose commands take less than a second may not be seen.
// 2. Followers are those of this gateway: each has the same bounds.

import { z } from '@hono/zod-openapi';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { LiveSession, SessionCensus } from '../sessions/session-census.ts';
import { id } from '../text.ts';

/** Projects in one answer, those with the most live sessions. */
export const projectsMax = 200;

function usage(description: string) {
  return z
    .object({ used: z.int(), max: z.int().nullable().openapi({ description: 'null: no such bound.' }) })
    .openapi({ description });
}

const liveSessions = usage('Sessions that are neither archived nor failed.');
const runningCommands = usage(
  'used: busy sessions, by their documents: those with a running command, but for one of less than a second, or with a turn of an agent.',
);

const limitsSchema = z
  .object({
    liveSessions,
    runningCommands,
    eventStreams: usage('Open event streams in this gateway.'),
    waitingRequests: usage('Requests that wait for something in this gateway.'),
    projects: z.array(z.object({ projectId: id('project'), liveSessions, runningCommands })).openapi({
      description: `Those with live sessions, the most first, at most ${projectsMax}; with projectId= this one.`,
    }),
    projectsLeftOut: z.int(),
  })
  .openapi('Limits');

export interface LimitRouteDeps {
  census: Pick<SessionCensus, 'live'>;
  projects: ProjectReader;
  followers: Pick<Followers, 'count'>;
  operator: OperatorConfig;
}

export function addLimitRoutes(api: Api, { census, projects, followers, operator }: LimitRouteDeps): void {
  const { quotas } = operator;
  api.route(
    {
      method: 'get',
      path: '/v1/limits',
      tag: 'Access',
      summary: 'Quotas of the organization and their use',
      action: 'limits.read',
      query: z.object({ projectId: id('project').optional() }),
      answers: { 200: { description: 'Each with what is used and its maximum', schema: limitsSchema } },
    },
    async ({ principal: asker, query: { projectId } }) => {
      if (projectId !== undefined) await projects.open(asker, projectId, 'limits.read');
      const ofOrganization = [...(await census.live()).values()].filter(
        (session) => session.organizationId === asker.organizationId,
      );
      const counted = countByProject(ofOrganization);
      const named = projectId === undefined ? counted : [counted.find((one) => one.projectId === projectId)];
      const shown = named.slice(0, projectsMax).map((one) => ({
        projectId: one?.projectId ?? projectId,
        liveSessions: { used: one?.live ?? 0, max: quotas.sessionsPerProjectMax },
        runningCommands: { used: one?.busy ?? 0, max: quotas.runningCommandsPerProjectMax },
      }));
      const follower = (kind: 'eventStreams' | 'waiters') => ({
        used: followers.count(kind, asker.organizationId),
        max: quotas.followersPerOrganizationMax,
      });
      return json(200, {
        liveSessions: { used: ofOrganization.length, max: quotas.sessionsPerOrganizationMax },
        runningCommands: { used: countBusy(ofOrganization), max: quotas.runningCommandsPerOrganizationMax },
        eventStreams: follower('eventStreams'),
        waitingRequests: follower('waiters'),
        projects: shown,
        projectsLeftOut: named.length - shown.length,
      });
    },
  );
}

interface ProjectUse {
  projectId: string;
  live: number;
  busy: number;
}

/** The most live sessions first. */
export function countByProject(sessions: readonly Pick<LiveSession, 'projectId' | 'state'>[]): ProjectUse[] {
  const byProject = Map.groupBy(sessions, ({ projectId }) => projectId);
  return [...byProject]
    .map(([projectId, those]) => ({ projectId, live: those.length, busy: countBusy(those) }))
    .toSorted((a, b) => b.live - a.live || (a.projectId < b.projectId ? -1 : 1));
}

function countBusy(sessions: readonly Pick<LiveSession, 'state'>[]): number {
  return sessions.filter(({ state }) => state === 'busy').length;
}
