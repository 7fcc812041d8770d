// Accepting a suggestion: a task, and a session in which it is worked on; where there is a model, told what to do.
//
// 1. The suggestion is decided first, in one write with the ids of all that is to be made. So of many who accept it at once one decides, and
//    whoever comes later makes what is missing of the same, whoever died.
// 2. The message is part of what the session starts with. Once there is a session all is made, and what has become of it since then is its own.

import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { limits } from '@worktrail/contract/limits';
import { sessionWorkflow, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { type SuggestionDocument, suggestionKey } from '@worktrail/contract/suggestions';
import { messageBytesMax, type TurnSpec } from '@worktrail/contract/turns';
import { cutText } from '@worktrail/runtime/plain-text';
import type { Principal } from '../authorize.ts';
import { taskKey, taskList } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import type { Draw } from '../draw.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionQuota } from '../sessions/session-quota.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { firstDocument } from '../sessions/session-spec.ts';
import type { TaskDocument } from '../tasks/task-reader.ts';
import type { WorkflowClient } from '../workflow-client.ts';

export interface AcceptDeps {
  store: ConfigurationStore;
  projects: Pick<ProjectReader, 'spec'>;
  sessions: Pick<SessionReader, 'find' | 'announce' | 'newest'>;
  quota: SessionQuota;
  runners: Pick<RunnerView, 'checkPlaceable'>;
  workflows: Pick<WorkflowClient, 'start'>;
}

export interface AcceptRequest {
  principal: Principal;
  draw: Draw;
  agent: TurnSpec['agent'] | null;
  /** null: what the suggestion says. */
  message: string | null;
}

type Accepted = NonNullable<SuggestionDocument['accepted']>;

/** @throws conflict for one that is resolved; what a new session is refused for, before anything is decided. */
export async function acceptSuggestion(
  deps: AcceptDeps,
  project: ProjectDocument,
  found: SuggestionDocument,
  request: AcceptRequest,
): Promise<{ suggestion: SuggestionDocument; task: TaskDocument; session: SessionDocument }> {
  const suggestion = found.accepted ? found : await decide(deps, project, found, request);
  const accepted = suggestion.accepted!;
  const task = await makeTask(deps, suggestion, accepted);
  const session = await makeSession(deps, project, suggestion, accepted, request.principal);
  return { suggestion, task, session };
}

async function decide(
  deps: AcceptDeps,
  project: ProjectDocument,
  found: SuggestionDocument,
  { principal, draw, agent, message }: AcceptRequest,
): Promise<SuggestionDocument> {
  refuseResolved(found);
  await deps.runners.checkPlaceable();
  const at = new Date(draw.timeMs).toISOString();
  const accepted: Accepted = { taskId: draw.id('task'), sessionId: draw.id('session'), turn: null, at };
  await deps.quota.admit([specOf(deps, project, found, accepted, principal)]);
  const turnId = draw.id('turn');
  const { value } = await deps.store.change<SuggestionDocument>(keyOf(found), null, (now) => {
    if (now.accepted) return now;
    refuseResolved(now);
    const text = message ?? cutText(`${now.title}\n\n${detailsOf(now)}`, messageBytesMax / 4);
    const actor = { kind: 'user' as const, id: principal.id };
    const turn = agent && { id: turnId, text, agent, actor, queuedAt: at };
    return { ...now, state: 'accepted', decidedBy: principal.id, accepted: { ...accepted, turn }, updatedAt: at };
  });
  return value;
}

function refuseResolved({ id, state }: SuggestionDocument): void {
  if (state === 'resolved')
    throw new WorktrailError('conflict', `${id} is resolved: what it is about is not there any more`);
}

async function makeTask({ store }: AcceptDeps, suggestion: SuggestionDocument, { taskId, at }: Accepted) {
  const { organizationId, projectId, title } = suggestion;
  const task: TaskDocument = {
    ...{ id: taskId, organizationId, projectId, title },
    description: cutText(detailsOf(suggestion), limits.descriptionLengthMax),
    ...{ state: 'open', origin: 'suggested', createdAt: at, updatedAt: at },
  };
  return (await store.create<TaskDocument>(taskKey(organizationId, taskId), task, [`${taskList(projectId)}.${taskId}`]))
    .value;
}

/** What was there is not started again: its workflow may have ended so long ago that nobody knows of it any more. */
async function makeSession(
  deps: AcceptDeps,
  project: ProjectDocument,
  suggestion: SuggestionDocument,
  accepted: Accepted,
  principal: Principal,
): Promise<SessionDocument> {
  const known = await deps.sessions.find(suggestion.organizationId, accepted.sessionId);
  if (known) return await deps.sessions.newest(known);
  const { turn } = accepted;
  const spec = {
    ...specOf(deps, project, suggestion, accepted, principal),
    ...(turn && { firstMessage: turn }),
  };
  const document = firstDocument(spec);
  await deps.workflows.start(sessionWorkflow, sessionWorkflowId(spec.sessionId), spec);
  await deps.sessions.announce(document);
  return document;
}

function specOf(
  { projects }: AcceptDeps,
  project: ProjectDocument,
  { id, title }: SuggestionDocument,
  { sessionId, taskId, at }: Accepted,
  principal: Principal,
) {
  const labels = { 'worktrail/suggestion': id };
  const input = { sessionId, title, taskId, trialId: null, baseRef: null, env: {}, labels, createdAt: at };
  return projects.spec(input, project, principal);
}

const evidenceShownMax = 20;

/** For the task, and for the agent. */
export function detailsOf({ description, evidence, output, commit }: SuggestionDocument): string {
  const lines = evidence
    .slice(0, evidenceShownMax)
    .map(({ path, firstLine, lastLine }) => `- ${path}:${firstLine}${lastLine > firstLine ? `-${lastLine}` : ''}`);
  const shown = lines.length === 0 ? '' : `\n\nSeen at commit ${commit}:\n${lines.join('\n')}`;
  const printed = output
    ? `\n\n\`${output.command.slice(0, 500)}\` ran as command ${output.commandId} of session ${output.sessionId}.`
    : '';
  return `${description}${shown}${printed}`;
}

function keyOf({ organizationId, id }: SuggestionDocument): string {
  return suggestionKey(organizationId, id);
}
