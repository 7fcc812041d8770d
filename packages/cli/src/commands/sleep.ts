// worktrail session hibernate | resume

import type { Session, WorktrailClient } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';

export async function sessionHibernate(cli: Cli, sessionIds: readonly string[]): Promise<number> {
  const hibernate = async (client: WorktrailClient, sessionId: string) => {
    const session = await client.sessions.hibernate(sessionId);
    if (session.state === 'hibernating') cli.screen.note(`${sessionId}: storing its files goes on.`);
    return session;
  };
  return await forEach(cli, sessionIds, hibernate);
}

export async function sessionResume(
  cli: Cli,
  sessionIds: readonly string[],
  { wait: waitSeconds }: { wait: number },
): Promise<number> {
  const resume = async (client: WorktrailClient, sessionId: string) => {
    const session = await client.sessions.resume(sessionId, { waitSeconds });
    if (waitSeconds > 0 && session.state !== 'ready' && session.state !== 'busy') {
      cli.screen.note(`${sessionId}: not ready after ${waitSeconds} s; commands wait for it.${queueText(session)}`);
    }
    return session;
  };
  return await forEach(cli, sessionIds, resume);
}

function queueText({ queuePosition }: Session): string {
  return queuePosition ? ` It waits for a place, as number ${queuePosition}.` : '';
}

/** One after the other: what is done with the first stands, whatever becomes of the next. */
async function forEach(
  cli: Cli,
  sessionIds: readonly string[],
  change: (client: WorktrailClient, sessionId: string) => Promise<Session>,
): Promise<number> {
  const client = await cli.client();
  const changed: Session[] = [];
  for (const sessionId of sessionIds) {
    const session = await change(client, sessionId);
    changed.push(session);
    if (!cli.screen.json) await cli.screen.line(`${session.id}  ${session.state}`);
  }
  if (cli.screen.json) await cli.screen.document(changed.length === 1 ? changed[0] : { items: changed });
  return exitCodes.ok;
}
