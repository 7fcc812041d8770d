// Sessions: create, list, show, change, archive.

import { agentLimitsNone } from '@worktrail/contract/agents';
import { z } from '@hono/zod-openapi';
import type { SessionDocument } from '@worktrail/contract/documents';
import {
  archiveSession,
  type PatchSessionRequest,
  patchSession,
  type SessionSpec,
  sessionWorkflow,
  sessionWorkflowId,
} from '@worktrail/contract/session-messages';
import { liveSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Principal } from '../authorize.ts';
import type { History } from '../events/history.ts';
import type { LiveSubscriber } from '../events/live-subscription.ts';
import type { StreamPosition } from '../events/stream-position.ts';
import type { Followers } from '../followers.ts';
import { makeForkedSession } from '../forks/make-forked-session.ts';
import type { Api, ApiRequest } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import { json, type Reply } from '../http/reply.ts';
import { cursorId, pageOf, pageQuery } from '../pagination.ts';
import { checkPrecondition, isAnyState, matches } from '../precondition.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { TaskReader } from '../tasks/task-reader.ts';
import { id } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import type { TrialReader } from '../trials/trial-reader.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import {
  agentLimitsOf,
  createSessionSchema,
  namedLimits,
  patchSessionSchema,
  sessionEtag,
  sessionSchema,
  sessionState,
} from './schemas.ts';
import type { SessionQuota } from './session-quota.ts';
import type { SessionReader } from './session-reader.ts';
import { scopeOf } from './session-reader.ts';
import { firstDocument, type NewSession } from './session-spec.ts';
import { updateSession } from './session-update.ts';
import type { SessionView } from './session-view.ts';
import { created, settled, waitForSession } from './session-wait.ts';

const tag = 'Sessions';
/** How long a new session may take to be in the history before it is answered anyway. */
const createdWaitMs = 3_000;

export interface SessionRouteDeps {
  sessions: SessionReader;
  view: SessionView;
  quota: SessionQuota;
  projects: ProjectReader;
  tasks: TaskReader;
  trials: TrialReader;
  runners: RunnerView;
  workflows: WorkflowClient;
  history: History;
  live: LiveSubscriber;
  position: StreamPosition;
  trace: Pick<TraceClient, 'listSessions'>;
  followers: Followers;
  stopping: AbortSignal;
}

const waitQuery = z.object({ waitSeconds: waitSeconds('Waits so long for the session to be ready or failed.') });

export function addSessionRoutes(api: Api, deps: SessionRouteDeps): void {
  addCreation(api, deps);
  addLists(api, deps);
  addOne(api, deps);
}

function addCreation(api: Api, deps: SessionRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/projects/{projectId}/sessions',
      tag,
      summary: 'Make a session',
      action: 'session.create',
      params: z.object({ projectId: id('project') }),
      query: waitQuery,
      body: createSessionSchema,
      answers: { 201: { description: 'Made', schema: sessionSchema } },
    },
    async (request) => {
      const { principal, params, body, draw } = request;
      const project = await deps.projects.open(principal, params.projectId, 'session.create');
      const taskId = await checkParents(deps, principal, project.value.id, body);
      // It is ready once it is used: nothing is waited for, and nothing placed.
      const agentLimits = body.agentLimits && agentLimitsOf(body.agentLimits);
      if (body.fork) return await makeForkedSession(deps, request, { ...body, fork: body.fork, taskId, agentLimits });
      await deps.runners.checkPlaceable();
      const input: NewSession = {
        sessionId: draw.id('session'),
        title: body.title ?? 'session',
        taskId,
        trialId: body.trialId ?? null,
        baseRef: body.baseRef ?? null,
        env: body.env,
        labels: body.labels,
        agentLimits,
        createdAt: new Date(draw.timeMs).toISOString(),
      };
      const spec = deps.projects.spec(input, project.value, principal);
      return await deps.view.reply(201, await startSession(deps, request, spec));
    },
  );
}

/** The task must be of the project, the trial of the task. Answers the session's task. */
async function checkParents(
  deps: SessionRouteDeps,
  principal: Principal,
  projectId: string,
  body: { taskId?: string | undefined; trialId?: string | undefined },
): Promise<string | null> {
  const trial = body.trialId && (await deps.trials.mustBelong(principal, body.trialId, projectId));
  const taskId = body.taskId ?? (trial ? trial.taskId : undefined);
  if (taskId !== undefined) await deps.tasks.mustBelong(principal, taskId, projectId);
  return taskId ?? null;
}

export type StartSessionDeps = Pick<
  SessionRouteDeps,
  'sessions' | 'quota' | 'workflows' | 'live' | 'position' | 'followers' | 'stopping'
>;

/** Asked again for the same session it is the same one, however far that had come. */
export async function startSession(
  deps: StartSessionDeps,
  request: Pick<ApiRequest<unknown, { waitSeconds: number }, unknown>, 'query' | 'retried' | 'signal'>,
  spec: SessionSpec,
): Promise<SessionDocument> {
  const document = firstDocument(spec);
  const scope = scopeOf(document);
  const end = deps.followers.admit('waiters', scope.organizationId);
  const subscription = deps.live.subscribe(liveSubject(scope, sessionProducer));
  try {
    await deps.quota.admit([spec]);
    // What could not be started must not be shown as creating; what was started writes its own document, whoever dies here.
    await deps.workflows.start(sessionWorkflow, sessionWorkflowId(spec.sessionId), spec);
    await deps.sessions.announce(document);
    if (request.retried) {
      const known = await deps.sessions.newest(document);
      if (known.state !== 'creating') return known;
    }
    const waitMs = request.query.waitSeconds * 1_000;
    const signal = AbortSignal.any([request.signal, deps.stopping]);
    const isSettled = async () => {
      const known = await deps.sessions.find(document.organizationId, document.id);
      return known !== undefined && known.state !== 'creating';
    };
    const isCreated = async () => (await deps.position.lastEvent(scope, sessionProducer)) !== undefined;
    const wait =
      waitMs > 0
        ? { cases: settled, isSo: isSettled, timeoutMs: waitMs }
        : { cases: created, isSo: isCreated, timeoutMs: createdWaitMs };
    await waitForSession(subscription, { ...wait, signal });
    return waitMs > 0 || request.retried ? await deps.sessions.newest(document) : document;
  } finally {
    subscription.close();
    end();
  }
}

function addLists(api: Api, deps: SessionRouteDeps): void {
  const filters = { ...pageQuery, state: sessionState.optional() };
  const answers = { 200: { description: 'A page', schema: pageOf(sessionSchema) } };
  api.route(
    {
      method: 'get',
      path: '/v1/projects/{projectId}/sessions',
      tag,
      summary: 'Sessions of a project, newest first',
      action: 'session.read',
      params: z.object({ projectId: id('project') }),
      query: z.object({ ...filters, taskId: id('task').optional(), trialId: id('trial').optional() }),
      answers,
    },
    async ({ principal, params, query }) => {
      await deps.projects.open(principal, params.projectId, 'session.read');
      return await list(deps, principal, { ...query, projectId: params.projectId });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/sessions',
      tag,
      summary: 'Sessions, newest first',
      action: 'session.read',
      query: z.object({
        ...filters,
        projectId: id('project').optional(),
        taskId: id('task').optional(),
        trialId: id('trial').optional(),
      }),
      answers,
    },
    async ({ principal, query }) => await list(deps, principal, query),
  );
}

interface ListQuery {
  limit: number;
  cursor?: string | undefined;
  projectId?: string | undefined;
  taskId?: string | undefined;
  trialId?: string | undefined;
  state?: SessionDocument['state'] | undefined;
}

async function list(deps: SessionRouteDeps, principal: Principal, query: ListQuery): Promise<Reply> {
  const beforeSessionId = cursorId(query.cursor, 'session') ?? '';
  const { sessionIds, more } = await askTraceStore(() =>
    deps.trace.listSessions({
      organizationId: principal.organizationId,
      projectId: query.projectId ?? '',
      taskId: query.taskId ?? '',
      trialId: query.trialId ?? '',
      state: query.state ?? '',
      limit: query.limit,
      beforeSessionId,
    }),
  );
  const documents = await Promise.all(
    sessionIds.map((sessionId) => deps.sessions.find(principal.organizationId, sessionId)),
  );
  const found = documents.filter((document) => document !== undefined);
  // The page was chosen by the history, which the document is ahead of.
  const matching = found.filter(({ state }) => query.state === undefined || state === query.state);
  const items = await Promise.all(matching.map((document) => deps.view.json(document)));
  return json(200, { items, nextCursor: more ? (sessionIds.at(-1) ?? null) : null });
}

function addOne(api: Api, deps: SessionRouteDeps): void {
  const params = z.object({ sessionId: id('session') });
  const path = '/v1/sessions/{sessionId}';
  const answers = { 200: { description: 'The session', schema: sessionSchema } };
  api.route(
    { method: 'get', path, tag, summary: 'A session', action: 'session.read', params, answers },
    async ({ principal, params: { sessionId } }) => {
      const { document } = await deps.sessions.open(principal, sessionId, 'session.read');
      return await deps.view.reply(200, await deps.sessions.newest(document));
    },
  );
  api.route(
    {
      method: 'patch',
      path,
      tag,
      summary: 'Change title, labels and limits',
      action: 'session.update',
      params,
      body: patchSessionSchema,
      answers,
    },
    async ({ principal, params: { sessionId }, body, headers }) => {
      const { document } = await deps.sessions.open(principal, sessionId, 'session.update');
      const seen = await seenDocument(deps, document, headers.get('if-match'));
      const change: PatchSessionRequest = {
        ...(seen && {
          seen: { title: seen.title, labels: seen.labels, agentLimits: seen.agentLimits ?? agentLimitsNone },
        }),
        ...(body.title !== undefined && { title: body.title }),
        ...(body.labels !== undefined && { labels: body.labels }),
        ...(body.agentLimits && { agentLimits: namedLimits(body.agentLimits) }),
      };
      return await deps.view.reply(200, await updateSession(deps, document, patchSession, [change]));
    },
  );
  api.route(
    {
      method: 'post',
      path: `${path}/archive`,
      tag,
      summary: 'End a session: its sandbox goes, its history stays',
      action: 'session.archive',
      params,
      answers,
    },
    async ({ principal, params: { sessionId } }) => {
      const { document } = await deps.sessions.open(principal, sessionId, 'session.archive');
      if (document.state === 'archived') return await deps.view.reply(200, document);
      return await deps.view.reply(200, await updateSession(deps, document, archiveSession, [], { takesLong: true }));
    },
  );
}

/** The session as the asker has seen it, by If-Match; undefined where any will do. */
async function seenDocument(
  deps: SessionRouteDeps,
  document: SessionDocument,
  ifMatch: string | null,
): Promise<SessionDocument | undefined> {
  if (isAnyState(ifMatch)) return undefined;
  // A change is answered once it is in the document; only who reads while one is being made has seen more.
  if (matches(ifMatch, sessionEtag(document))) return document;
  const newest = await deps.sessions.newest(document);
  checkPrecondition(ifMatch, sessionEtag(newest));
  return newest;
}
