// Where a message goes: into a session that is named, or into a new one of a project.

import type { AgentInput, Session, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { resolveProjectId } from '../commands/resolve-project.ts';
import { cutTo, visible } from '../screen/visible-text.ts';

const sessionId = /^ses_[0-9a-z]{26}$/;
const titleColumnsMax = 60;

export type Target = { kind: 'session'; session: Session } | { kind: 'project'; projectId: string };

/** @param named a session's id, or a project's id or name. */
export async function resolveTarget(cli: Cli, named: string): Promise<Target> {
  const client = await cli.client();
  if (sessionId.test(named)) return { kind: 'session', session: await client.sessions.get(named) };
  return { kind: 'project', projectId: await resolveProjectId(cli, client, named) };
}

export interface BegunTurn {
  sessionId: string;
  turnId: string;
  /** A cursor from before it. */
  after: string | undefined;
}

export async function beginTurn(
  client: Pick<WorktrailClient, 'sessions' | 'turns'>,
  target: Target,
  text: string,
  agent: AgentInput | undefined,
): Promise<BegunTurn> {
  const session =
    target.kind === 'session'
      ? await client.sessions.get(target.session.id)
      : await client.sessions.create(target.projectId, { title: titleOf(text) });
  const { turnId } = await client.turns.send(session.id, { text, agent });
  return { sessionId: session.id, turnId, after: session.lastCursor ?? undefined };
}

function titleOf(text: string): string {
  return cutTo(visible(text).trim(), titleColumnsMax) || 'Chat';
}
