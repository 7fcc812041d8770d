// Where a message goes: into a session that is named, or into a new one of a project.

import type { Agent, Session, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { resolveProjectId } from '../commands/resolve-project.ts';

export type Target = { kind: 'session'; session: Session } | { kind: 'project'; projectId: string };

/** @param named a session's id, or a project's id or name. */
export async function resolveTarget(cli: Cli, named: string): Promise<Target> {
  const client = await cli.client();
  // One that is cut is no project either.
  if (named.startsWith('ses_')) return { kind: 'session', session: await client.sessions.get(named) };
  return { kind: 'project', projectId: await resolveProjectId(cli, client, named) };
}

export interface BegunTurn {
  sessionId: string;
  turnId: string;
  /** A cursor from before it. */
  after: string | undefined;
}

export async function beginTurn(
  client: Pick<WorktrailClient, 'chats' | 'sessions' | 'turns'>,
  target: Target,
  text: string,
  agent: Agent | undefined,
): Promise<BegunTurn> {
  if (target.kind === 'project') {
    const { session, turn } = await client.chats.create(target.projectId, { text, agent });
    return { sessionId: session.id, turnId: turn.id, after: undefined };
  }
  const session = await client.sessions.get(target.session.id);
  const { turnId } = await client.turns.send(session.id, { text, agent });
  return { sessionId: session.id, turnId, after: session.lastCursor ?? undefined };
}
