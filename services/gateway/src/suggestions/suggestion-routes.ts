// Suggested tasks: what a scan of the project found worth doing, and what somebody decides about each.

import { z } from '@hono/zod-openapi';
import { WorktrailError } from '@worktrail/contract/errors';
import { type ScanSpec, scanWorkflow, scanWorkflowId } from '@worktrail/contract/scan-messages';
import {
  type ScanDocument,
  type SuggestionDocument,
  suggestionKey,
  suggestionKinds,
  suggestionList,
  suggestionStates,
} from '@worktrail/contract/suggestions';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import type { Audit } from '../audit.ts';
import { type Action, authorize, type Principal } from '../authorize.ts';
import { unavailable } from '../deadline.ts';
import { asWaiter } from '../document-wait.ts';
import { createDraw, newSeed } from '../draw.ts';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import { json } from '../http/reply.ts';
import { cursorId, pageQuery } from '../pagination.ts';
import { notFound } from '../problem.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { SessionView } from '../sessions/session-view.ts';
import { taskJson } from '../tasks/task-json.ts';
import { id } from '../text.ts';
import { agentSpec } from '../turns/agent-schema.ts';
import { type AcceptDeps, acceptSuggestion } from './accept-suggestion.ts';
import type { ScanReader } from './scan-reader.ts';
import {
  acceptedSchema,
  acceptSchema,
  dismissSchema,
  scanJson,
  scanSchema,
  suggestionJson,
  suggestionPageSchema,
  suggestionSchema,
} from './schemas.ts';

const tag = 'Suggestions';
const ofProject = z.object({ projectId: id('project') });
const ofSuggestion = z.object({ suggestionId: id('suggestion') });
const found = { 200: { description: 'The suggestion', schema: suggestionSchema } };

export interface SuggestionRouteDeps extends AcceptDeps {
  projects: ProjectReader;
  operator: Pick<OperatorConfig, 'model'>;
  scans: ScanReader;
  view: SessionView;
  followers: Followers;
  audit: Audit;
  stopping: AbortSignal;
}

export function addSuggestionRoutes(api: Api, deps: SuggestionRouteDeps): void {
  addScan(api, deps);
  addReading(api, deps);
  addAccepting(api, deps);
  addDismissal(api, deps);
}

function addScan(api: Api, deps: SuggestionRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/projects/{projectId}/suggestions',
      tag,
      summary: 'Look for tasks that are worth doing; a scan that runs is joined',
      action: 'suggestion.scan',
      params: ofProject,
      query: z.object({ waitSeconds: waitSeconds('Waits so long for the end of the scan.') }),
      answers: { 202: { description: 'It runs, or has ended within the wait', schema: scanSchema } },
      // It is of now.
      keepsNoAnswer: true,
    },
    async ({ principal, params: { projectId }, query, draw, signal }) => {
      const { value: project } = await deps.projects.open(principal, projectId, 'suggestion.scan');
      const { organizationId, repository, approval } = project;
      await deps.runners.checkPlaceable();
      // Asked again with its key once that scan has ended, it is another scan: with a session of its own.
      const own = createDraw(newSeed(), draw.timeMs);
      const checks = {
        ...{ sessionId: own.id('session'), title: 'Checks of a scan', taskId: null, trialId: null, baseRef: null },
        ...{ env: {}, labels: { 'worktrail/scan': projectId }, createdAt: new Date(draw.timeMs).toISOString() },
      };
      const spec: ScanSpec = {
        ...{ organizationId, projectId, repository, checks: approval.requiredChecks },
        checkSession: deps.projects.spec(checks, project, principal),
        model: deps.operator.model.default,
      };
      const scan = await startScan(deps, spec, signal);
      return json(202, scanJson(await waited(deps, scan, query.waitSeconds, signal)));
    },
  );
}

const startsMax = 50;
const startAgainMs = 100;
const recordedMsMax = 4_000;

/** One that runs is joined, and so is one that has begun since this was asked. One whose workflow has yet to close is neither. */
async function startScan(
  { workflows, scans, quota }: SuggestionRouteDeps,
  spec: ScanSpec,
  signal: AbortSignal,
): Promise<ScanDocument> {
  const before = await scans.find(spec);
  let known = before;
  for (let starts = 0; starts < startsMax && !signal.aborted; starts++) {
    // One that is joined has its session, and without checks there is none.
    if (spec.checks.length > 0 && known?.state !== 'running') await quota.admit([spec.checkSession]);
    const isNew = await workflows.start(scanWorkflow, scanWorkflowId(spec.projectId), spec, { again: true });
    if (!isNew && known?.state === 'running') return known;
    known = await scans.untilAnother(spec, known, { timeoutMs: isNew ? recordedMsMax : startAgainMs, signal });
    if (known && known.startedAt !== before?.startedAt) return known;
    if (isNew) throw unavailable('orchestrator', 'it has not begun the scan yet: ask again, and this one is joined');
  }
  throw unavailable('orchestrator', 'the scan before it has not come to its end');
}

async function waited(
  deps: SuggestionRouteDeps,
  scan: ScanDocument,
  seconds: number,
  signal: AbortSignal,
): Promise<ScanDocument> {
  if (seconds === 0 || scan.state !== 'running') return scan;
  return await asWaiter(deps, scan.organizationId, { seconds, signal }, (wait) => deps.scans.untilEnded(scan, wait));
}

function addReading(api: Api, deps: SuggestionRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/projects/{projectId}/suggestions',
      tag,
      summary: 'Suggestions of a project: those of the newest scan first, the best of them first',
      action: 'suggestion.read',
      params: ofProject,
      query: z.object({
        ...pageQuery,
        state: z.enum([...suggestionStates, 'all']).default('open'),
        kind: z.enum(suggestionKinds).optional(),
        waitSeconds: waitSeconds('Where a scan runs, waits so long for its end.'),
      }),
      answers: { 200: { description: 'A page', schema: suggestionPageSchema } },
    },
    async ({ principal, params: { projectId }, query, signal }) => {
      const { organizationId } = (await deps.projects.open(principal, projectId, 'suggestion.read')).value;
      const after = cursorId(query.cursor, 'suggestion');
      const known = await deps.scans.find({ organizationId, projectId });
      const scan = known && (await waited(deps, known, query.waitSeconds, signal));
      const isShown = ({ state, kind }: SuggestionDocument) =>
        (query.state === 'all' || state === query.state) && (query.kind === undefined || kind === query.kind);
      const { items, nextCursor } = await pageOfShown(deps, { organizationId, projectId }, isShown, {
        ...{ after, limit: query.limit },
      });
      return json(200, { items: items.map(suggestionJson), nextCursor, scan: scan ? scanJson(scan) : null });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/suggestions/{suggestionId}',
      tag,
      summary: 'A suggestion',
      action: 'suggestion.read',
      params: ofSuggestion,
      answers: found,
    },
    async ({ principal, params: { suggestionId } }) =>
      json(200, suggestionJson(await open(deps, principal, suggestionId, 'suggestion.read'))),
  );
}

const readAtOnce = 100;

/** There are at most as many as a project remembers: they are read until the page is full. */
async function pageOfShown(
  { store }: SuggestionRouteDeps,
  { organizationId, projectId }: { organizationId: string; projectId: string },
  isShown: (suggestion: SuggestionDocument) => boolean,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<{ items: SuggestionDocument[]; nextCursor: string | null }> {
  const names = await store.names(suggestionList(projectId));
  const ids = names.filter((one) => after === undefined || one < after).toSorted((one, two) => (one < two ? 1 : -1));
  const items: SuggestionDocument[] = [];
  for (let from = 0; from < ids.length && items.length <= limit; from += readAtOnce) {
    const some = ids.slice(from, from + readAtOnce);
    const read = await Promise.all(
      some.map((one) => store.read<SuggestionDocument>(suggestionKey(organizationId, one))),
    );
    items.push(...read.flatMap((stored) => (stored && isShown(stored.value) ? [stored.value] : [])));
  }
  const page = items.slice(0, limit);
  return { items: page, nextCursor: items.length > limit ? page.at(-1)!.id : null };
}

async function open(
  { store }: SuggestionRouteDeps,
  principal: Principal,
  suggestionId: string,
  action: Action,
): Promise<SuggestionDocument> {
  const stored = await store.read<SuggestionDocument>(suggestionKey(principal.organizationId, suggestionId));
  if (!stored) throw notFound(suggestionId);
  authorize(principal, action, stored.value);
  return stored.value;
}

function addAccepting(api: Api, deps: SuggestionRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/suggestions/{suggestionId}/accept',
      tag,
      summary: 'Make a task of it and a session to work on it; again, the same',
      action: 'suggestion.decide',
      params: ofSuggestion,
      body: acceptSchema,
      answers: { 201: { description: 'Its task and session', schema: acceptedSchema } },
    },
    async (request) => {
      const { principal, params, body, draw } = request;
      const suggestion = await open(deps, principal, params.suggestionId, 'suggestion.decide');
      const { value: project } = await deps.projects.open(principal, suggestion.projectId, 'suggestion.decide');
      const isAsked = body.agent !== undefined || body.message !== undefined || deps.operator.model.default !== null;
      const agent = suggestion.accepted || !isAsked ? null : agentSpec(body.agent, deps.operator);
      const asked = { principal, draw, agent, message: body.message ?? null };
      const made = await acceptSuggestion(deps, project, suggestion, asked);
      const { organizationId, id: resourceId, accepted } = made.suggestion;
      const detail = { taskId: accepted!.taskId, sessionId: accepted!.sessionId };
      if (!suggestion.accepted)
        await deps.audit.record(request, { organizationId, action: 'suggestion.accepted', resourceId, detail });
      return json(201, {
        suggestion: suggestionJson(made.suggestion),
        task: taskJson(made.task),
        session: await deps.view.json(made.session),
        turnId: accepted!.turn?.id ?? null,
      });
    },
  );
}

function addDismissal(api: Api, deps: SuggestionRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/suggestions/{suggestionId}/dismiss',
      tag,
      summary: 'Do not suggest it again',
      action: 'suggestion.decide',
      params: ofSuggestion,
      body: dismissSchema,
      answers: found,
    },
    async (request) => {
      const { principal, params, body } = request;
      const before = await open(deps, principal, params.suggestionId, 'suggestion.decide');
      if (before.state === 'dismissed') return json(200, suggestionJson(before));
      const { organizationId, id: resourceId } = before;
      const { value } = await deps.store.change<SuggestionDocument>(
        suggestionKey(organizationId, resourceId),
        null,
        (now) => {
          if (now.state === 'accepted') throw new WorktrailError('conflict', `${now.id} is accepted: its task goes on`);
          if (now.state === 'dismissed') return now;
          const decided = { reason: body.reason ?? null, decidedBy: principal.id, updatedAt: new Date().toISOString() };
          return { ...now, ...decided, state: 'dismissed' };
        },
      );
      const detail = { title: value.title, reason: value.reason };
      await deps.audit.record(request, { organizationId, action: 'suggestion.dismissed', resourceId, detail });
      return json(200, suggestionJson(value));
    },
  );
}
