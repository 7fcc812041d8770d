// Which session is meant: a session's id, or a project's id or name, which gets a new session.

import type { Session } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { cutTo, visible } from '../screen/visible-text.ts';
import { resolveProjectId } from '../commands/resolve-project.ts';

const sessionId = /^ses_[0-9a-z]{26}$/;
const titleColumnsMax = 60;

/** @param about what the session of a project is about, for its title. */
export async function resolveSession(
  cli: Cli,
  named: string,
  about: string,
): Promise<{ session: Session; isNew: boolean }> {
  const client = await cli.client();
  if (sessionId.test(named)) return { session: await client.sessions.get(named), isNew: false };
  const projectId = await resolveProjectId(cli, client, named);
  const session = await client.sessions.create(projectId, { title: titleOf(about) });
  return { session, isNew: true };
}

function titleOf(text: string): string {
  return cutTo(visible(text).trim(), titleColumnsMax) || 'Chat';
}
