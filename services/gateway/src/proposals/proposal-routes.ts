// Proposals: put a session's change up for approval, decide about it, have it merged.
//
// 1. A session has one open proposal: put up again, it gets the files as they are now as its head.
// 2. What is decided is decided by the proposal's workflow; each decision is in the audit, and in the session's history.

import { z } from '@hono/zod-openapi';
import type { ProposalDocument, SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import {
  approveProposal,
  awaitHead,
  closeProposal,
  mergeProposal,
  type Person,
  type ProposalDecision,
  type ProposalSpec,
  type ProposeAgain,
  proposalWorkflow,
  proposalWorkflowId,
  proposeAgain,
  rejectProposal,
} from '@worktrail/contract/proposal-messages';
import { type CapturedFiles, captureFiles, type CaptureFilesRequest } from '@worktrail/contract/session-messages';
import type { PrincipalDocument } from '../access/schemas.ts';
import type { Audit } from '../audit.ts';
import type { Action } from '../authorize.ts';
import { openProposalList, principalKey, proposalList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Api, ApiRequest } from '../http/api.ts';
import { json, type Reply } from '../http/reply.ts';
import { cursorId, pageOf, pageOfIds, pageQuery } from '../pagination.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { refuseClosed, updateSession } from '../sessions/session-update.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { isOver, policyOf, type ProposalReader } from './proposal-reader.ts';
import { createProposalSchema, decideProposalSchema, proposalJson, proposalSchema } from './schemas.ts';

const tag = 'Proposals';
const ofSession = z.object({ sessionId: id('session') });
/** Each time one that was open has ended meanwhile. */
const openingsMax = 5;
const ofProposal = z.object({ proposalId: id('proposal') });
const found = { 200: { description: 'The proposal', schema: proposalSchema } };

export interface ProposalRouteDeps {
  store: ConfigurationStore;
  projects: ProjectReader;
  sessions: SessionReader;
  proposals: ProposalReader;
  runners: RunnerView;
  workflows: WorkflowClient;
  audit: Audit;
}

export function addProposalRoutes(api: Api, deps: ProposalRouteDeps): void {
  addOpening(api, deps);
  addReading(api, deps);
  const path = '/v1/proposals/{proposalId}';
  addDecision(api, deps, {
    ...{ path: `${path}/approve`, summary: 'Approve the head', action: 'proposal.approve', update: approveProposal },
    ...{ audited: 'proposal.approved', over: null },
  });
  addDecision(api, deps, {
    ...{ path: `${path}/reject`, summary: 'Reject it, for good', action: 'proposal.reject', update: rejectProposal },
    ...{ audited: 'proposal.rejected', over: 'rejected' },
  });
  addDecision(api, deps, {
    ...{ path: `${path}/merge`, action: 'proposal.merge', update: mergeProposal },
    summary: 'Merge a mergeable proposal; the request stands while it is checked again because the target has moved',
    ...{ audited: 'proposal.merge_requested', over: 'merged' },
  });
  addDecision(api, deps, {
    ...{ path: `${path}/close`, summary: 'Close it without a merge', action: 'proposal.close', update: closeProposal },
    ...{ audited: 'proposal.closed', over: 'closed' },
  });
}

type Opening = ApiRequest<unknown, unknown, z.output<typeof createProposalSchema>>;

function addOpening(api: Api, deps: ProposalRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/proposals',
      tag,
      summary: 'Put up the session’s files as they are now; where it has an open proposal, as that one’s new head',
      action: 'proposal.create',
      params: ofSession,
      body: createProposalSchema,
      answers: {
        200: { description: 'The open proposal, with the new head', schema: proposalSchema },
        201: { description: 'Opened', schema: proposalSchema },
      },
    },
    async (request) => {
      const { principal, params, draw, retried } = request;
      const { document: session } = await deps.sessions.open(principal, params.sessionId, 'proposal.create');
      const known = retried && (await deps.proposals.find(session.organizationId, draw.id('proposal')));
      if (known) return json(201, proposalJson(await deps.proposals.newest(known)));
      await refuseClosed(deps.sessions, session);
      const { value: project } = await deps.projects.open(principal, session.projectId, 'proposal.create');
      await deps.runners.checkAlive();
      // The id of the proposal, or of the request for a new head of it.
      const borrower = draw.id('proposal');
      const capture: CaptureFilesRequest = { checkpointId: draw.id('checkpoint'), label: 'proposal', borrower };
      const captured = await updateSession<CapturedFiles>(deps, session, captureFiles, [capture], { takesLong: true });
      return await putUp(deps, request, project, session, captured);
    },
  );
}

/** Of requests that come at once one opens the proposal; the others make sure of it, and give it their files as its head. */
async function putUp(
  deps: ProposalRouteDeps,
  request: Opening,
  project: ProjectDocument,
  session: SessionDocument,
  captured: CapturedFiles,
): Promise<Reply> {
  const own = request.draw.id('proposal');
  let over: string | null = null;
  for (let attempt = 0; attempt < openingsMax; attempt++) {
    const proposalId: string = await deps.proposals.opening(session.id, own, over);
    const document = await deps.proposals.find(session.organizationId, proposalId);
    if (!document) {
      const first = await start(deps, request, project, session, captured, proposalId);
      if (proposalId === own) return await opened(deps, request, first);
    }
    const again =
      document && isOver(document)
        ? undefined
        : await putUpAgain(deps, request, project, session, proposalId, captured);
    if (again) return again;
    over = proposalId;
  }
  throw new WorktrailError('rate_limited', `${session.id} is being put up by many at once`);
}

/** Whoever comes first starts it. */
async function start(
  deps: ProposalRouteDeps,
  request: Opening,
  project: ProjectDocument,
  session: SessionDocument,
  { source, createdBy }: CapturedFiles,
  proposalId: string,
): Promise<ProposalDocument> {
  const { principal, draw, body } = request;
  const { organizationId, id: sessionId, partition, generation } = session;
  const createdAt = new Date(draw.timeMs).toISOString();
  const openedBy = await personOf(deps, organizationId, principal.id);
  const title = body.title ?? session.title;
  const labels = { 'worktrail/proposal': proposalId };
  const of = { taskId: null, trialId: null, baseRef: null, env: {}, labels, createdAt };
  const checks = deps.projects.spec(
    { ...of, sessionId: draw.id('session'), title: `check ${title}` },
    project,
    principal,
  );
  const spec: ProposalSpec = {
    ...{ organizationId, projectId: project.id, sessionId, partition, generation, proposalId, title },
    description: body.description ?? '',
    author: await personOf(deps, organizationId, createdBy.id),
    ...{ openedBy, source, policy: policyOf(project), checkSession: { ...checks, partition } },
    branch: session.branch,
    createdAt,
  };
  await deps.store.create(`${proposalList(sessionId)}.${proposalId}`, {});
  await deps.store.create(`${openProposalList(project.id)}.${proposalId}`, {});
  await deps.workflows.start(proposalWorkflow, proposalWorkflowId(proposalId), spec);
  const first = firstDocument(spec);
  await deps.proposals.announce(first);
  return first;
}

async function opened(deps: ProposalRouteDeps, request: Opening, first: ProposalDocument): Promise<Reply> {
  const { organizationId, id: resourceId, sessionId, title } = first;
  const detail = { sessionId, title };
  await deps.audit.record(request, { organizationId, action: 'proposal.opened', resourceId, detail });
  const workflowId = proposalWorkflowId(resourceId);
  const known = await deps.workflows.update<ProposalDocument>(workflowId, awaitHead, [], { takesLong: true });
  return json(201, proposalJson(known ?? (await deps.proposals.newest(first))));
}

/** Undefined when it has ended meanwhile. */
async function putUpAgain(
  deps: ProposalRouteDeps,
  request: Opening,
  project: ProjectDocument,
  { organizationId, id: sessionId }: SessionDocument,
  proposalId: string,
  { source }: CapturedFiles,
): Promise<Reply | undefined> {
  const { principal, draw, body } = request;
  const again: ProposeAgain = {
    ...{ requestId: draw.id('proposal'), source, policy: policyOf(project) },
    by: await personOf(deps, organizationId, principal.id),
    title: body.title ?? null,
    description: body.description ?? null,
  };
  const workflowId = proposalWorkflowId(proposalId);
  const known = await deps.workflows.update<ProposalDocument>(workflowId, proposeAgain, [again], { takesLong: true });
  if (!known) return undefined;
  const detail = { sessionId, headCommit: known.headCommit };
  await deps.audit.record(request, { organizationId, action: 'proposal.updated', resourceId: proposalId, detail });
  return json(200, proposalJson(known));
}

/** Version 0: whatever the workflow reports is newer. */
function firstDocument(spec: ProposalSpec): ProposalDocument {
  const { organizationId, projectId, sessionId, title, description, createdAt } = spec;
  return {
    ...{ version: 0, id: spec.proposalId, organizationId, projectId, sessionId, title, description },
    state: 'checking',
    targetBranch: spec.checkSession.repository.defaultBranch,
    ...{ baseCommit: null, headCommit: null, candidateTree: null, filesChanged: null, conflicts: [] },
    ...{
      checks: [],
      checkSessionId: null,
      approvals: [],
      mergeRequestedBy: null,
      mergeCommit: null,
      pullRequest: null,
    },
    detail: null,
    requiredApprovals: spec.policy.policy.requiredApprovals,
    createdBy: spec.openedBy.id,
    ...{ createdAt, updatedAt: createdAt },
    artifacts: spec.source.bundles.map(({ name }) => name),
  };
}

async function personOf({ store }: ProposalRouteDeps, organizationId: string, principalId: string): Promise<Person> {
  const stored = await store.read<PrincipalDocument>(principalKey(organizationId, principalId));
  return { id: principalId, name: stored?.value.name ?? principalId };
}

function addReading(api: Api, { store, sessions, proposals }: ProposalRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/proposals',
      tag,
      summary: 'Proposals of a session, newest first',
      action: 'proposal.read',
      params: ofSession,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page', schema: pageOf(proposalSchema) } },
    },
    async ({ principal, params: { sessionId }, query }) => {
      await sessions.open(principal, sessionId, 'proposal.read');
      const after = cursorId(query.cursor, 'proposal');
      const page = pageOfIds(await store.names(proposalList(sessionId)), after, query.limit);
      const documents = await Promise.all(page.items.map((one) => proposals.find(principal.organizationId, one)));
      const items = documents.filter((document) => document !== undefined).map(proposalJson);
      return json(200, { items, nextCursor: page.nextCursor });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/v1/proposals/{proposalId}',
      tag,
      summary: 'A proposal',
      action: 'proposal.read',
      params: ofProposal,
      answers: found,
    },
    async ({ principal, params: { proposalId } }) => {
      const document = await proposals.open(principal, proposalId, 'proposal.read');
      return json(200, proposalJson(await proposals.newest(document)));
    },
  );
}

interface Decision {
  path: string;
  summary: string;
  action: Action;
  update: string;
  audited: string;
  /** As what it ends by this: asked for again, that is answered. */
  over: ProposalDocument['state'] | null;
}

function addDecision(api: Api, deps: ProposalRouteDeps, decision: Decision): void {
  const { path, summary, action } = decision;
  api.route(
    { method: 'post', path, tag, summary, action, params: ofProposal, body: decideProposalSchema, answers: found },
    async (request) => {
      const document = await deps.proposals.open(request.principal, request.params.proposalId, action);
      if (document.state === decision.over) return json(200, proposalJson(document));
      if (isOver(document)) throw over(document);
      const decided = await decide(deps, request, document, decision);
      if (!decided) {
        const ended = (await deps.proposals.find(document.organizationId, document.id)) ?? document;
        if (ended.state !== decision.over) throw over(ended);
        return json(200, proposalJson(ended));
      }
      const { organizationId, id: resourceId } = decided;
      const { comment } = request.body;
      const detail = { headCommit: decided.headCommit, state: decided.state, ...(comment && { comment }) };
      await deps.audit.record(request, { organizationId, action: decision.audited, resourceId, detail });
      return json(200, proposalJson(decided));
    },
  );
}

/** Undefined where its workflow has gone. */
async function decide(
  deps: ProposalRouteDeps,
  { principal, body }: ApiRequest<unknown, unknown, z.output<typeof decideProposalSchema>>,
  document: ProposalDocument,
  { update, action }: Decision,
): Promise<ProposalDocument | undefined> {
  const { value: project } = await deps.projects.open(principal, document.projectId, action);
  const decision: ProposalDecision = {
    by: await personOf(deps, document.organizationId, principal.id),
    comment: body.comment,
    headCommit: body.headCommit ?? null,
    policy: policyOf(project),
  };
  const workflowId = proposalWorkflowId(document.id);
  return await deps.workflows.update<ProposalDocument>(workflowId, update, [decision], { takesLong: true });
}

function over({ id: proposalId, state }: ProposalDocument): WorktrailError {
  return new WorktrailError('conflict', `${proposalId} is ${state}`);
}
