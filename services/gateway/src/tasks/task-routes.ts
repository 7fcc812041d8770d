// Tasks: what is to be achieved in a project.

import { z } from '@hono/zod-openapi';
import { limits } from '@worktrail/contract/limits';
import type { Audit } from '../audit.ts';
import { taskKey, taskList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Api } from '../http/api.ts';
import { etag, json } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import { id, name, text } from '../text.ts';
import { taskJson, taskSchema, taskState } from './task-json.ts';
import type { TaskDocument, TaskReader } from './task-reader.ts';

const tag = 'Tasks and trials';
const description = text(limits.descriptionLengthMax);

const createTaskSchema = z.strictObject({ title: name, description: description.default('') }).openapi('CreateTask');

const patchTaskSchema = z
  .strictObject({ title: name.optional(), description: description.optional(), state: taskState.optional() })
  .openapi('PatchTask');

export interface TaskRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  tasks: TaskReader;
  audit: Audit;
}

export function addTaskRoutes(api: Api, deps: TaskRouteDeps): void {
  addOfProject(api, deps);
  addOne(api, deps);
}

function addOfProject(api: Api, { store, projects, audit }: TaskRouteDeps): void {
  const path = '/v1/projects/{projectId}/tasks';
  const params = z.object({ projectId: id('project') });
  api.route(
    {
      method: 'post',
      path,
      tag,
      summary: 'Make a task',
      action: 'task.create',
      params,
      body: createTaskSchema,
      answers: { 201: { description: 'Made', schema: taskSchema } },
    },
    async (request) => {
      const { principal, body, draw } = request;
      const { value: project } = await projects.open(principal, request.params.projectId, 'task.create');
      const now = new Date(draw.timeMs).toISOString();
      const task: TaskDocument = {
        id: draw.id('task'),
        organizationId: project.organizationId,
        projectId: project.id,
        title: body.title,
        description: body.description,
        state: 'open',
        origin: 'manual',
        createdAt: now,
        updatedAt: now,
      };
      const { organizationId } = task;
      const lists = [`${taskList(project.id)}.${task.id}`];
      const stored = await store.create(taskKey(organizationId, task.id), task, lists);
      const detail = { projectId: project.id, title: task.title };
      await audit.record(request, { organizationId, action: 'task.created', resourceId: task.id, detail });
      return json(201, taskJson(stored.value), { etag: etag(stored.revision) });
    },
  );
  api.route(
    {
      method: 'get',
      path,
      tag,
      summary: 'Tasks of a project, newest first',
      action: 'task.read',
      params,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(taskSchema) } },
    },
    async ({ principal, params: { projectId }, query }) => {
      await projects.open(principal, projectId, 'task.read');
      const after = cursorId(query.cursor, 'task');
      const keyOf = (taskId: string) => taskKey(principal.organizationId, taskId);
      const page = await store.page<TaskDocument>(taskList(projectId), keyOf, { limit: query.limit, after });
      return json(200, { ...page, items: page.items.map(({ value }) => taskJson(value)) });
    },
  );
}

function addOne(api: Api, { store, tasks, audit }: TaskRouteDeps): void {
  const path = '/v1/tasks/{taskId}';
  const params = z.object({ taskId: id('task') });
  const answers = { 200: { description: 'The task', schema: taskSchema } };
  api.route(
    { method: 'get', path, tag, summary: 'A task', action: 'task.read', params, answers },
    async ({ principal, params: { taskId } }) => {
      const stored = await tasks.open(principal, taskId, 'task.read');
      return json(200, taskJson(stored.value), { etag: etag(stored.revision) });
    },
  );
  api.route(
    {
      method: 'patch',
      path,
      tag,
      summary: 'Change a task',
      action: 'task.update',
      params,
      body: patchTaskSchema,
      answers,
    },
    async (request) => {
      const { principal, body, headers } = request;
      const { taskId } = request.params;
      const { organizationId } = (await tasks.open(principal, taskId, 'task.update')).value;
      const { value: task, revision } = await store.change<TaskDocument>(
        taskKey(organizationId, taskId),
        headers.get('if-match'),
        (value) => ({
          ...value,
          title: body.title ?? value.title,
          description: body.description ?? value.description,
          state: body.state ?? value.state,
          updatedAt: new Date().toISOString(),
        }),
      );
      const detail = { members: Object.keys(body) };
      await audit.record(request, { organizationId, action: 'task.updated', resourceId: task.id, detail });
      return json(200, taskJson(task), { etag: etag(revision) });
    },
  );
}
