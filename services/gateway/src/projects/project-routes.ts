// Projects: a repository, the environment of its sessions, its approval policy.

import { isDeepStrictEqual } from 'node:util';
import { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { limits } from '@worktrail/contract/limits';
import { credentialKey } from '@worktrail/contract/subjects';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import { NoPullRequests, pullRequestApi } from '@worktrail/runtime/pull-request-host';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { scanKey, suggestionKey, suggestionList } from '@worktrail/contract/suggestions';
import type { Audit } from '../audit.ts';
import type { Principal } from '../authorize.ts';
import { projectKey, projectList, secretList, taskKey, taskList, trialList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Api } from '../http/api.ts';
import { etag, json, noContent } from '../http/reply.ts';
import { invalid } from '../problem.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { id } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import type { ProjectDocument } from './project-document.ts';
import { environmentOf } from './project-environment.ts';
import type { ProjectReader } from './project-reader.ts';
import type { ProposalReader } from '../proposals/proposal-reader.ts';
import type { RepositoryRoots } from '@worktrail/runtime/repository-address';
import { checkRepository } from './repository-url.ts';
import { approvalDefaults, createProjectSchema, patchProjectSchema, projectSchema } from './schemas.ts';

const tag = 'Projects';
const one = '/v1/projects/{projectId}';
const params = z.object({ projectId: id('project') });

export interface ProjectRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  sessions: SessionReader;
  proposals: Pick<ProposalReader, 'tellPolicy'>;
  trace: Pick<TraceClient, 'listSessions'>;
  audit: Audit;
  operator: OperatorConfig;
  roots: RepositoryRoots;
}

export function addProjectRoutes(api: Api, deps: ProjectRouteDeps): void {
  addCreation(api, deps);
  addReading(api, deps);
  addChange(api, deps);
  addDeletion(api, deps);
}

function addCreation(api: Api, { store, projects, audit, operator, roots }: ProjectRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/projects',
      tag,
      summary: 'Make a project',
      action: 'project.create',
      body: createProjectSchema,
      answers: { 201: { description: 'Made', schema: projectSchema } },
    },
    async (request) => {
      const { body, draw, principal } = request;
      const { defaultBranch } = await checkRepository(body.repository.url, roots);
      environmentOf(operator, body.environment);
      const now = new Date(draw.timeMs).toISOString();
      const project: ProjectDocument = {
        id: draw.id('project'),
        organizationId: principal.organizationId,
        name: body.name,
        repository: { url: body.repository.url, defaultBranch: body.repository.defaultBranch ?? defaultBranch },
        environment: body.environment,
        hibernateAfterSeconds: body.hibernateAfterSeconds ?? null,
        approval: { ...approvalDefaults, ...body.approval },
        createdAt: now,
        updatedAt: now,
      };
      requirePullRequests(project);
      const lists = [`${projectList(project.organizationId)}.${project.id}`];
      const stored = await store.create(projectKey(project.organizationId, project.id), project, lists);
      await audit.record(request, {
        organizationId: project.organizationId,
        action: 'project.created',
        resourceId: project.id,
        detail: { name: project.name, repository: project.repository },
      });
      return json(201, await projects.json(stored.value), { etag: etag(stored.revision) });
    },
  );
}

function addReading(api: Api, { store, projects }: ProjectRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/projects',
      tag,
      summary: 'Projects, newest first',
      action: 'project.read',
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(projectSchema) } },
    },
    async ({ principal, query }) => {
      const after = cursorId(query.cursor, 'project');
      const list = projectList(principal.organizationId);
      const keyOf = (projectId: string) => projectKey(principal.organizationId, projectId);
      const page = await store.page<ProjectDocument>(list, keyOf, { limit: query.limit, after });
      const items = await Promise.all(page.items.map(({ value }) => projects.json(value)));
      return json(200, { ...page, items });
    },
  );
  api.route(
    {
      method: 'get',
      path: one,
      tag,
      summary: 'A project',
      action: 'project.read',
      params,
      answers: { 200: { description: 'The project', schema: projectSchema } },
    },
    async ({ principal, params: { projectId } }) => {
      const stored = await projects.open(principal, projectId, 'project.read');
      return json(200, await projects.json(stored.value), { etag: etag(stored.revision) });
    },
  );
}

function addChange(api: Api, { store, projects, proposals, audit, operator, roots }: ProjectRouteDeps): void {
  api.route(
    {
      method: 'patch',
      path: one,
      tag,
      summary: 'Change a project',
      action: 'project.update',
      params,
      body: patchProjectSchema,
      answers: { 200: { description: 'The project', schema: projectSchema } },
    },
    async (request) => {
      const { principal, body, headers } = request;
      const { projectId } = request.params;
      await projects.open(principal, projectId, 'project.update');
      if (body.repository?.url !== undefined) await checkRepository(body.repository.url, roots);
      const { value: project, revision } = await store.change<ProjectDocument>(
        projectKey(principal.organizationId, projectId),
        headers.get('if-match'),
        (value) => {
          const project = changed(value, body);
          environmentOf(operator, project.environment);
          requirePullRequests(project);
          return project;
        },
      );
      await audit.record(request, {
        organizationId: project.organizationId,
        action: 'project.updated',
        resourceId: project.id,
        detail: { members: Object.keys(body), ...(body.approval && { approval: project.approval }) },
      });
      if (body.approval) await proposals.tellPolicy(project);
      return json(200, await projects.json(project), { etag: etag(revision) });
    },
  );
}

/** @throws validation_failed where the policy wants pull requests, and there is no host for them. */
function requirePullRequests({ repository, approval }: ProjectDocument): void {
  if (approval.mergeMethod !== 'pull_request') return;
  try {
    pullRequestApi(repository.url, approval.pullRequest ?? null);
  } catch (error) {
    if (!(error instanceof NoPullRequests)) throw error;
    throw invalid({ path: error.path, message: error.message });
  }
}

function changed(project: ProjectDocument, body: z.output<typeof patchProjectSchema>): ProjectDocument {
  const approval = { ...project.approval, ...body.approval };
  const isAsBefore = isDeepStrictEqual(approval, project.approval);
  return {
    ...project,
    name: body.name ?? project.name,
    repository: {
      url: body.repository?.url ?? project.repository.url,
      defaultBranch: body.repository?.defaultBranch ?? project.repository.defaultBranch,
    },
    environment: { ...project.environment, ...body.environment },
    hibernateAfterSeconds: body.hibernateAfterSeconds ?? project.hibernateAfterSeconds,
    approval,
    ...(!isAsBefore && { approvalVersion: (project.approvalVersion ?? 1) + 1 }),
    updatedAt: new Date().toISOString(),
  };
}

function addDeletion(api: Api, deps: ProjectRouteDeps): void {
  api.route(
    {
      method: 'delete',
      path: one,
      tag,
      summary: 'Delete a project without live sessions',
      action: 'project.delete',
      params,
      answers: { 204: { description: 'Deleted' } },
    },
    async (request) => {
      const { store, projects, audit } = deps;
      const { value: project } = await projects.open(request.principal, request.params.projectId, 'project.delete');
      const live = await countLiveSessions(deps, request.principal, project.id);
      if (live > 0) {
        const detail = `${project.id} has ${live} live session${live === 1 ? '' : 's'}: archive them first`;
        throw new WorktrailError('conflict', detail);
      }
      for (const name of await store.names(secretList(project.id)))
        await store.remove(`${secretList(project.id)}.${name}`);
      await store.remove(credentialKey(project.id));
      await removeTasks(store, project);
      await removeSuggestions(store, project);
      await store.remove(projectKey(project.organizationId, project.id));
      await store.remove(`${projectList(project.organizationId)}.${project.id}`);
      await audit.record(request, {
        organizationId: project.organizationId,
        action: 'project.deleted',
        resourceId: project.id,
        detail: { name: project.name },
      });
      return noContent;
    },
  );
}

const removedAtOnceMax = 20;

/** Before their project: a deletion that broke off is finished by the next. Trials stay, like the sessions that they made. */
async function removeTasks(
  store: ConfigurationStore,
  { id: projectId, organizationId }: ProjectDocument,
): Promise<void> {
  const taskIds = await store.names(taskList(projectId));
  const remove = async (taskId: string) => {
    for (const trialId of await store.names(trialList(taskId))) await store.remove(`${trialList(taskId)}.${trialId}`);
    await store.remove(taskKey(organizationId, taskId));
    await store.remove(`${taskList(projectId)}.${taskId}`);
  };
  for (let from = 0; from < taskIds.length; from += removedAtOnceMax) {
    await Promise.all(taskIds.slice(from, from + removedAtOnceMax).map(remove));
  }
}

async function removeSuggestions(
  store: ConfigurationStore,
  { id: projectId, organizationId }: ProjectDocument,
): Promise<void> {
  const ids = await store.names(suggestionList(projectId));
  const remove = async (id: string) => {
    await store.remove(suggestionKey(organizationId, id));
    await store.remove(`${suggestionList(projectId)}.${id}`);
  };
  for (let from = 0; from < ids.length; from += removedAtOnceMax) {
    await Promise.all(ids.slice(from, from + removedAtOnceMax).map(remove));
  }
  await store.remove(scanKey(organizationId, projectId));
}

/** Counts no further than the first page that has any. */
async function countLiveSessions(deps: ProjectRouteDeps, principal: Principal, projectId: string): Promise<number> {
  for (let beforeSessionId = ''; ; ) {
    const { sessionIds, more } = await askTraceStore(() =>
      deps.trace.listSessions({
        organizationId: principal.organizationId,
        projectId,
        limit: limits.pageMax,
        beforeSessionId,
      }),
    );
    const documents = await Promise.all(
      sessionIds.map((sessionId) => deps.sessions.find(principal.organizationId, sessionId)),
    );
    const live = documents.filter((document) => document && !['archived', 'failed'].includes(document.state)).length;
    const last = sessionIds.at(-1);
    if (live > 0 || !more || last === undefined) return live;
    beforeSessionId = last;
  }
}
