// POST /v1/projects/{projectId}/sessions with `fork`: one fork, with title, labels and variables of its own.

import type { Principal } from '../authorize.ts';
import type { ApiRequest } from '../http/api.ts';
import type { Reply } from '../http/reply.ts';
import { invalid } from '../problem.ts';
import { type OpenedSession, scopeOf } from '../sessions/session-reader.ts';
import type { NewSession } from '../sessions/session-spec.ts';
import { forkTitle, type ForkRouteDeps } from './fork-routes.ts';
import { makeForks } from './make-forks.ts';

type Wish = Pick<NewSession, 'taskId' | 'env' | 'labels' | 'agentLimits'> & {
  title?: string | undefined;
  trialId?: string | undefined;
  baseRef?: string | undefined;
  fork: { sessionId: string; checkpointId?: string | undefined };
};

/** @throws validation_failed, conflict */
export async function makeForkedSession(
  deps: ForkRouteDeps,
  request: ApiRequest<{ projectId: string }, unknown, unknown>,
  wish: Wish,
): Promise<Reply> {
  const { principal, draw, retried, signal, params } = request;
  const { sessionId, checkpointId } = wish.fork;
  if (wish.baseRef !== undefined) throw invalid({ path: 'baseRef', message: 'is that of the session that is forked' });
  const parent = await findParent(deps, principal, sessionId);
  if (parent?.document.projectId !== params.projectId) {
    throw invalid({ path: 'fork.sessionId', message: 'is no session of this project' });
  }
  const { title = forkTitle(parent.document), trialId = null, env, labels, agentLimits } = wish;
  const forks = [{ title, taskId: wish.taskId ?? parent.document.taskId, trialId, env, labels, agentLimits }];
  const field = 'fork.checkpointId';
  const [made] = await makeForks(deps, { principal, draw, retried, signal, parent, checkpointId, field, forks });
  return await deps.view.reply(201, made!);
}

async function findParent(
  { sessions }: Pick<ForkRouteDeps, 'sessions'>,
  { organizationId }: Principal,
  sessionId: string,
): Promise<OpenedSession | undefined> {
  const document = await sessions.find(organizationId, sessionId);
  return document && { document, scope: scopeOf(document) };
}
