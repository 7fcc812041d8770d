// Trials: attempts at a task, one session each.

import { z } from '@hono/zod-openapi';
import type { AgentSpec } from '@worktrail/contract/agents';
import type { TrialBudget, TrialDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { limits } from '@worktrail/contract/limits';
import {
  cancelTrial,
  type TrialAttempt,
  type TrialSpec,
  trialWorkflow,
  trialWorkflowId,
} from '@worktrail/contract/trial-messages';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import { trialList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import { asWaiter } from '../document-wait.ts';
import type { Followers } from '../followers.ts';
import type { Api, ApiRequest } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import { json, type Reply } from '../http/reply.ts';
import { checkJsonSize } from '../json-size.ts';
import { cursorId, pageOf, pageOfIds, pageQuery } from '../pagination.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionQuota } from '../sessions/session-quota.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { firstDocument } from '../sessions/session-spec.ts';
import type { TaskDocument, TaskReader } from '../tasks/task-reader.ts';
import { id } from '../text.ts';
import { type agentSchema, agentSpec } from '../turns/agent-schema.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { createTrialSchema, startTaskSchema, trialJson, trialSchema } from './schemas.ts';
import type { TrialReader } from './trial-reader.ts';

const tag = 'Tasks and trials';
const ofTask = z.object({ taskId: id('task') });
const ofTrial = z.object({ trialId: id('trial') });
const made = { 201: { description: 'Started', schema: trialSchema } };
const found = { 200: { description: 'The trial', schema: trialSchema } };

export interface TrialRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  tasks: TaskReader;
  trials: TrialReader;
  sessions: SessionReader;
  quota: SessionQuota;
  runners: RunnerView;
  workflows: WorkflowClient;
  operator: Pick<OperatorConfig, 'model'>;
  followers: Followers;
  stopping: AbortSignal;
}

export function addTrialRoutes(api: Api, deps: TrialRouteDeps): void {
  addCreation(api, deps);
  addReading(api, deps);
  addCancel(api, deps);
}

interface NewTrial extends Pick<TrialSpec, 'name' | 'verify' | 'maxParallel' | 'stopWhen' | 'budget'> {
  attempts: NewAttempt[];
}

interface NewAttempt extends Pick<TrialAttempt, 'strategy'> {
  title: string;
  commands: string[];
  ask: { message: string; agent: AgentSpec } | null;
}

function addCreation(api: Api, deps: TrialRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/tasks/{taskId}/trials',
      tag,
      summary: 'Start a trial',
      action: 'trial.create',
      params: ofTask,
      body: createTrialSchema,
      answers: made,
    },
    async (request) => {
      const { body } = request;
      const task = await deps.tasks.open(request.principal, request.params.taskId, 'trial.create');
      const name = body.name ?? task.value.title;
      return await startTrial(deps, request, task.value, {
        name,
        attempts: body.attempts.map((attempt, index) => ({
          title: attempt.title ?? `${name} ${index + 1}`.slice(-200),
          ...(attempt.title !== undefined && { strategy: attempt.title }),
          commands: attempt.commands ?? [],
          ask: askOf(deps, attempt, `attempts.${index}.agent`),
        })),
        verify: body.verify,
        maxParallel: Math.min(body.maxParallel ?? body.attempts.length, body.attempts.length),
        ...(body.stopWhen && { stopWhen: body.stopWhen }),
        ...(body.budget && { budget: body.budget as TrialBudget }),
      });
    },
  );
  api.route(
    {
      method: 'post',
      path: '/v1/tasks/{taskId}/start',
      tag,
      summary: 'Start a trial with one session',
      action: 'trial.create',
      params: ofTask,
      body: startTaskSchema,
      answers: made,
    },
    async (request) => {
      const task = await deps.tasks.open(request.principal, request.params.taskId, 'trial.create');
      const { title } = task.value;
      const { commands = [], agent, message = commands.length > 0 ? undefined : messageOf(task.value) } = request.body;
      const attempts = [{ title, commands, ask: askOf(deps, { message, agent }, 'agent') }];
      return await startTrial(deps, request, task.value, { name: title, attempts, verify: [], maxParallel: 1 });
    },
  );
}

function askOf(
  { operator }: Pick<TrialRouteDeps, 'operator'>,
  { message, agent }: { message?: string | undefined; agent?: z.output<typeof agentSchema> | undefined },
  path: string,
): NewAttempt['ask'] {
  return message === undefined ? null : { message, agent: agentSpec(agent, operator, path) };
}

function messageOf({ title, description }: TaskDocument): string {
  return [title, description].filter(Boolean).join('\n\n');
}

async function startTrial(
  deps: TrialRouteDeps,
  request: ApiRequest<unknown, unknown, unknown>,
  task: TaskDocument,
  input: NewTrial,
): Promise<Reply> {
  const { principal, draw } = request;
  const project = await deps.projects.open(principal, task.projectId, 'trial.create');
  await deps.runners.checkPlaceable();
  const trialId = draw.id('trial');
  const createdAt = new Date(draw.timeMs).toISOString();
  const createdBy = { kind: 'user', id: principal.id } as const;
  const attempts = input.attempts.map(({ title, strategy, commands, ask }): TrialAttempt => {
    const parents = { taskId: task.id, trialId, baseRef: null, env: {}, labels: {}, createdAt };
    const session = { ...parents, sessionId: draw.id('session'), title };
    return {
      session: deps.projects.spec(session, project.value, principal),
      ...(strategy !== undefined && { strategy }),
      commands,
      ...(ask && {
        message: { id: draw.id('turn'), text: ask.message, agent: ask.agent, actor: createdBy, queuedAt: createdAt },
      }),
    };
  });
  const spec: TrialSpec = {
    organizationId: principal.organizationId,
    projectId: project.value.id,
    taskId: task.id,
    trialId,
    ...input,
    attempts,
    createdAt,
    createdBy,
  };
  const what = 'make, with the environment of the project for each of them,';
  checkJsonSize(spec, limits.trialSpecBytesMax, 'attempts', what);
  const document = firstTrialDocument(spec);
  await deps.quota.admit(attempts.map(({ session }) => session));
  await deps.store.create(`${trialList(task.id)}.${trialId}`, {});
  // What could not be started must not be shown as running; what was started writes its own document, whoever dies here.
  await deps.workflows.start(trialWorkflow, trialWorkflowId(trialId), spec);
  await deps.trials.announce(document);
  for (const { session } of attempts) await deps.sessions.announce(firstDocument(session));
  return json(201, trialJson(request.retried ? await deps.trials.newest(document) : document));
}

/** Version 0: whatever the workflow reports is newer. */
function firstTrialDocument(spec: TrialSpec): TrialDocument {
  return {
    version: 0,
    id: spec.trialId,
    organizationId: spec.organizationId,
    projectId: spec.projectId,
    taskId: spec.taskId,
    name: spec.name,
    state: 'running',
    reason: null,
    stopWhen: spec.stopWhen ?? null,
    budget: spec.budget ?? {},
    usage: { tokens: 0, costUsd: 0 },
    sessions: spec.attempts.map(({ session }) => ({
      sessionId: session.sessionId,
      title: session.title,
      state: 'pending',
      verdict: null,
      reason: null,
      commandIds: [],
      turnId: null,
      startedAt: null,
      endedAt: null,
    })),
    createdAt: spec.createdAt,
    endedAt: null,
  };
}

function addReading(api: Api, deps: TrialRouteDeps): void {
  const { store, tasks, trials } = deps;
  api.route(
    {
      method: 'get',
      path: '/v1/tasks/{taskId}/trials',
      tag,
      summary: 'Trials of a task, newest first',
      action: 'trial.read',
      params: ofTask,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(trialSchema) } },
    },
    async ({ principal, params: { taskId }, query }) => {
      await tasks.open(principal, taskId, 'trial.read');
      const after = cursorId(query.cursor, 'trial');
      const page = pageOfIds(await store.names(trialList(taskId)), after, query.limit);
      const documents = await Promise.all(page.items.map((trialId) => trials.find(principal.organizationId, trialId)));
      const items = documents.filter((document) => document !== undefined).map(trialJson);
      return json(200, { items, nextCursor: page.nextCursor });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/trials/{trialId}',
      tag,
      summary: 'A trial',
      action: 'trial.read',
      params: ofTrial,
      query: z.object({ waitSeconds: waitSeconds('Waits so long for its end.') }),
      answers: found,
    },
    async ({ principal, params: { trialId }, query: { waitSeconds: seconds }, signal }) => {
      const trial = await trials.newest(await trials.open(principal, trialId, 'trial.read'));
      if (trial.state !== 'running' || seconds === 0) return json(200, trialJson(trial));
      const ended = await asWaiter(deps, trial.organizationId, { seconds, signal }, (wait) =>
        trials.untilEnded(trial, wait),
      );
      return json(200, trialJson(ended));
    },
  );
}

function addCancel(api: Api, { trials, workflows }: TrialRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/trials/{trialId}/cancel',
      tag,
      summary: 'Stop what runs and end the trial',
      action: 'trial.cancel',
      params: ofTrial,
      answers: found,
    },
    async ({ principal, params: { trialId } }) => {
      const document = await trials.open(principal, trialId, 'trial.cancel');
      if (document.state === 'canceled') return json(200, trialJson(document));
      const workflowId = trialWorkflowId(trialId);
      const canceled = await workflows.update<TrialDocument>(workflowId, cancelTrial, [], { takesLong: true });
      if (canceled) return json(200, trialJson(canceled));
      const ended = (await trials.find(principal.organizationId, trialId)) ?? document;
      if (ended.state === 'canceled') return json(200, trialJson(ended));
      throw new WorktrailError('conflict', `${trialId} is ${ended.state}: it cannot be canceled any more`);
    },
  );
}
