// Hibernate and resume.
//
// 1. `hibernate` answers once the session is hibernated. Storing much may take longer than a request waits, and only a few wait at
//    once: 202 then tells that it is being hibernated, which goes on without the asker.
// 2. `resume` answers at once, or with a wait when the session is ready for commands; what it waits for is told by `queuePosition`.
// 3. Either may be asked for again at any time.

import { z } from '@hono/zod-openapi';
import type { EventCase } from '@worktrail/contract/event-types';
import type { SessionDocument } from '@worktrail/contract/documents';
import { type ErrorCode, WorktrailError } from '@worktrail/contract/errors';
import { hibernateSession, type HibernateSessionRequest, resumeSession } from '@worktrail/contract/session-messages';
import { liveSubject, sessionProducer } from '@worktrail/contract/subjects';
import type { LiveSubscriber, LiveSubscription } from '../events/live-subscription.ts';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import type { Reply } from '../http/reply.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';
import { sessionSchema } from './schemas.ts';
import { scopeOf, type SessionReader } from './session-reader.ts';
import { refuseClosed, updateSession } from './session-update.ts';
import type { SessionView } from './session-view.ts';
import { waitForSession } from './session-wait.ts';

const tag = 'Sessions';
const path = '/v1/sessions/{sessionId}';
const params = z.object({ sessionId: id('session') });
const answers = { 200: { description: 'The session', schema: sessionSchema } };

export interface SleepRouteDeps {
  sessions: SessionReader;
  view: SessionView;
  runners: RunnerView;
  workflows: WorkflowClient;
  live: LiveSubscriber;
  followers: Followers;
  stopping: AbortSignal;
}

export function addSleepRoutes(api: Api, deps: SleepRouteDeps): void {
  addHibernate(api, deps);
  addResume(api, deps);
}

function addHibernate(api: Api, deps: SleepRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: `${path}/hibernate`,
      tag,
      summary: 'Store the files of an idle session and take its sandbox down; the next command resumes it',
      action: 'session.hibernate',
      params,
      answers: {
        200: { description: 'Hibernated', schema: sessionSchema },
        202: { description: 'Being hibernated, which takes longer than this request waits', schema: sessionSchema },
      },
    },
    async ({ principal, params: { sessionId } }) => {
      const { document } = await deps.sessions.open(principal, sessionId, 'session.hibernate');
      await refuseClosed(deps.sessions, document);
      if (document.state === 'hibernated') {
        const newest = await deps.sessions.newest(document);
        if (newest.state === 'hibernated') return await deps.view.reply(200, newest);
      }
      await deps.runners.checkAlive();
      return await hibernate(deps, document);
    },
  );
}

/** Nobody has answered in time; or too many wait for the same already. */
const outlasting: ReadonlySet<ErrorCode> = new Set(['dependency_unavailable', 'still_running', 'rate_limited']);

async function hibernate(deps: SleepRouteDeps, document: SessionDocument): Promise<Reply> {
  const request: HibernateSessionRequest = { reason: 'requested' };
  try {
    const hibernated = await updateSession(deps, document, hibernateSession, [request], { takesLong: true });
    return await deps.view.reply(200, hibernated);
  } catch (error) {
    if (!(error instanceof WorktrailError) || !outlasting.has(error.code)) throw error;
    const newest = await deps.sessions.newest(document);
    if (newest.state === 'hibernated') return await deps.view.reply(200, newest);
    if (newest.state === 'hibernating') return await deps.view.reply(202, newest);
    throw error;
  }
}

function addResume(api: Api, deps: SleepRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: `${path}/resume`,
      tag,
      summary: 'Open a session again, as its next command would',
      action: 'session.resume',
      params,
      query: z.object({ waitSeconds: waitSeconds('Waits so long for the session to be ready.') }),
      answers,
    },
    async ({ principal, params: { sessionId }, query, signal }) => {
      const { document } = await deps.sessions.open(principal, sessionId, 'session.resume');
      await refuseClosed(deps.sessions, document);
      if (!isAwake(document)) await deps.runners.checkPlaceable();
      const wait = { timeoutMs: query.waitSeconds * 1_000, signal: AbortSignal.any([signal, deps.stopping]) };
      return await deps.view.reply(200, await resume(deps, document, wait));
    },
  );
}

interface Wait {
  timeoutMs: number;
  signal: AbortSignal;
}

async function resume(deps: SleepRouteDeps, document: SessionDocument, wait: Wait): Promise<SessionDocument> {
  const scope = scopeOf(document);
  const end = deps.followers.admit('waiters', scope.organizationId);
  const subscription = deps.live.subscribe(liveSubject(scope, sessionProducer));
  try {
    // It takes no time; but a part that is down is to be named as such.
    const resuming = await updateSession(deps, document, resumeSession, [], { takesLong: true });
    return await untilAwake(deps, subscription, resuming, wait);
  } finally {
    subscription.close();
    end();
  }
}

const wakings: readonly EventCase[] = [
  'sessionReady',
  'sessionResumed',
  'sessionRestored',
  'sessionFailed',
  'sessionArchived',
];

/** An event may be of an earlier life: what counts is what the workflow says after it. */
async function untilAwake(
  deps: SleepRouteDeps,
  subscription: LiveSubscription,
  resuming: SessionDocument,
  { timeoutMs, signal }: Wait,
): Promise<SessionDocument> {
  const deadlineMs = Date.now() + timeoutMs;
  const isSo = async () => {
    const stored = await deps.sessions.find(resuming.organizationId, resuming.id);
    return stored !== undefined && isAwake(stored);
  };
  let known = resuming;
  while (!isAwake(known) && !signal.aborted && Date.now() < deadlineMs) {
    await waitForSession(subscription, { cases: wakings, isSo, timeoutMs: deadlineMs - Date.now(), signal });
    known = await deps.sessions.newest(known);
  }
  return known;
}

/** There is nothing to wait for: it takes commands, or never will. */
function isAwake({ state }: SessionDocument): boolean {
  return state === 'ready' || state === 'busy' || state === 'failed' || state === 'archived';
}
