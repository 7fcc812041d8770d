// Makes forks of a session, some at once.
//
// 1. One request makes the same forks, however often it is sent with its key: what is there of them counts, and the rest is made of the
//    same checkpoint.
// 2. A fork is answered once its history says that it is there, hibernated.

import type { SessionDocument } from '@worktrail/contract/documents';
import type { EventCase } from '@worktrail/contract/event-types';
import { type SessionSpec, sessionWorkflow, sessionWorkflowId } from '@worktrail/contract/session-messages';
import { liveSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { Principal } from '../authorize.ts';
import type { Draw } from '../draw.ts';
import type { LiveSubscriber } from '../events/live-subscription.ts';
import type { StreamPosition } from '../events/stream-position.ts';
import type { Followers } from '../followers.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import type { SessionQuota } from '../sessions/session-quota.ts';
import { type OpenedSession, scopeOf, type SessionReader } from '../sessions/session-reader.ts';
import { firstDocument, type NewSession } from '../sessions/session-spec.ts';
import { waitForSession } from '../sessions/session-wait.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { askForkPoint, type ForkPointDeps } from './fork-point.ts';

const recorded: readonly EventCase[] = ['sessionHibernated'];
/** How long new forks may take to be in the history before they are answered anyway. */
const recordedWaitMs = 3_000;

export interface ForkDeps extends ForkPointDeps {
  sessions: SessionReader;
  quota: SessionQuota;
  projects: ProjectReader;
  workflows: WorkflowClient;
  live: LiveSubscriber;
  position: StreamPosition;
  followers: Followers;
  stopping: AbortSignal;
}

export interface ForkRequest {
  principal: Principal;
  draw: Draw;
  retried: boolean;
  signal: AbortSignal;
  parent: OpenedSession;
  checkpointId: string | undefined;
  /** The request's field that names it. */
  field: string;
  /** What each is beside a fork. `env`: over the parent's own variables. `agentLimits`: instead of the parent's. */
  forks: readonly Pick<NewSession, 'title' | 'taskId' | 'trialId' | 'env' | 'labels' | 'agentLimits'>[];
}

/** In the order of `request.forks`. */
export async function makeForks(deps: ForkDeps, request: ForkRequest): Promise<SessionDocument[]> {
  const { principal, draw, parent } = request;
  const { organizationId, projectId } = parent.document;
  const project = await deps.projects.open(principal, projectId, 'session.create');
  const asked = request.forks.map((fork) => ({ ...fork, organizationId, projectId, sessionId: draw.id('session') }));
  const find = ({ sessionId }: { sessionId: string }) => deps.sessions.find(organizationId, sessionId);
  const known = request.retried ? (await Promise.all(asked.map(find))).filter((one) => one !== undefined) : [];
  const missing = asked.filter(({ sessionId }) => !known.some(({ id }) => id === sessionId));
  if (missing.length === 0) return known;
  await deps.quota.admit(missing.map((fork) => ({ ...fork, state: 'hibernated' })));
  const { point, inherited } = await askForkPoint(deps, parent, {
    forks: missing.map(({ sessionId }) => sessionId),
    checkpointId: known[0]?.fork?.checkpointId ?? request.checkpointId,
    field: request.field,
    inherited: known[0]?.inherited,
    by: { kind: 'user', id: principal.id },
  });
  const { baseCommit, checkpoint, headCommit, bundles } = point;
  const restore = { baseCommit, checkpoint, bundles, archive: null };
  const specs = missing.map(({ sessionId, title, taskId, trialId, env, labels, agentLimits: asked }): SessionSpec => {
    const agentLimits = asked ?? parent.document.agentLimits;
    const own = {
      sessionId,
      title,
      taskId,
      trialId,
      labels,
      env: { ...point.env, ...env },
      baseRef: null,
      agentLimits,
    };
    const createdAt = new Date(draw.timeMs).toISOString();
    return {
      ...deps.projects.spec({ ...own, createdAt }, project.value, principal),
      partition: parent.document.partition,
      repository: point.repository,
      fork: { sessionId: parent.document.id, inherited, restore, headCommit },
    };
  });
  const made = await startAll(deps, specs, request.signal);
  return asked.map(({ sessionId }) => [...known, ...made].find(({ id }) => id === sessionId)!);
}

async function startAll(deps: ForkDeps, specs: readonly SessionSpec[], gone: AbortSignal): Promise<SessionDocument[]> {
  const documents = specs.map(firstDocument);
  const end = deps.followers.admit('waiters', documents[0]!.organizationId);
  const subscriptions = documents.map((document) =>
    deps.live.subscribe(liveSubject(scopeOf(document), sessionProducer)),
  );
  try {
    await Promise.all(
      specs.map(async (spec, index) => {
        await deps.workflows.start(sessionWorkflow, sessionWorkflowId(spec.sessionId), spec);
        await deps.sessions.announce(documents[index]!);
      }),
    );
    const signal = AbortSignal.any([gone, deps.stopping]);
    const wait = { cases: recorded, timeoutMs: recordedWaitMs, signal };
    await Promise.all(
      subscriptions.map((subscription, index) => {
        const scope = scopeOf(documents[index]!);
        const isSo = async () => (await deps.position.lastEvent(scope, sessionProducer)) !== undefined;
        return waitForSession(subscription, { ...wait, isSo });
      }),
    );
    return documents;
  } finally {
    for (const subscription of subscriptions) subscription.close();
    end();
  }
}
