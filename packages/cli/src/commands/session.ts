// worktrail session create | list | show | archive

import type { Session, SessionState } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';
import { paintState } from '../screen/style.ts';
import { resolveProjectId } from './resolve-project.ts';

export interface SessionCreateOptions {
  project?: string;
  title?: string;
  task?: string;
  baseRef?: string;
  env?: Record<string, string>;
  label?: Record<string, string>;
  /** Seconds to wait until it is ready. */
  wait: number;
}

export async function sessionCreate(cli: Cli, options: SessionCreateOptions): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const projectId = await resolveProjectId(cli, client, options.project);
  const { title, task: taskId, baseRef, env, label: labels, wait: waitSeconds } = options;
  const session = await client.sessions.create(projectId, { title, taskId, baseRef, env, labels }, { waitSeconds });
  await (screen.json ? screen.document(session) : screen.line(session.id));
  if (session.state === 'failed') {
    screen.note(`error: the session failed: ${failureText(session)}`);
    return exitCodes.failed;
  }
  if (session.state === 'creating' && waitSeconds > 0) {
    screen.note(`It is not ready after ${waitSeconds} s; commands wait for it.`);
  }
  return exitCodes.ok;
}

export interface SessionListOptions {
  project?: string;
  task?: string;
  trial?: string;
  state?: string;
  limit: number;
}

export async function sessionList(cli: Cli, options: SessionListOptions): Promise<number> {
  const { screen } = cli;
  const client = await cli.client();
  const projectId = options.project ? await resolveProjectId(cli, client, options.project) : undefined;
  const { task: taskId, trial: trialId, limit } = options;
  const filter = { projectId, taskId, trialId, state: options.state as SessionState | undefined };
  const sessions: Session[] = [];
  for await (const session of client.sessions.all({ ...filter, limit: Math.min(limit, 200) })) {
    if (sessions.push(session) >= limit) break;
  }
  await (screen.json ? screen.document({ items: sessions }) : printSessions(cli, sessions));
  return exitCodes.ok;
}

async function printSessions({ screen, surroundings }: Cli, sessions: readonly Session[]): Promise<void> {
  const columns = [
    { title: 'SESSION' },
    { title: 'STATE', style: (padded: string, state: string) => paintState(screen.style, state)(padded) },
    { title: 'TITLE', shrinks: true },
    { title: 'BRANCH', shrinks: true },
    { title: 'LAST ACTIVE' },
  ];
  const nowMs = surroundings.nowMs();
  const row = ({ id, state, title, branch, lastActiveAt }: Session) => [
    id,
    state,
    title,
    branch,
    formatAge(lastActiveAt, nowMs),
  ];
  await screen.table(columns, sessions.map(row));
}

export async function sessionShow(cli: Cli, sessionId: string): Promise<number> {
  await printSession(cli, await (await cli.client()).sessions.get(sessionId));
  return exitCodes.ok;
}

export async function sessionArchive(cli: Cli, sessionIds: readonly string[]): Promise<number> {
  const client = await cli.client();
  const archived: Session[] = [];
  for (const sessionId of sessionIds) {
    const session = await client.sessions.archive(sessionId);
    archived.push(session);
    if (!cli.screen.json) await cli.screen.line(`${session.id}  ${session.state}`);
  }
  if (cli.screen.json) await cli.screen.document(archived.length === 1 ? archived[0] : { items: archived });
  return exitCodes.ok;
}

async function printSession({ screen }: Cli, session: Session): Promise<void> {
  if (screen.json) return screen.document(session);
  const labels = Object.entries(session.labels).map(([name, value]) => `${name}=${value}`);
  await screen.fields([
    ['session', session.id],
    ['title', session.title],
    ['state', session.state],
    ['failure', session.failure ? failureText(session) : null],
    ['project', session.projectId],
    ['task', session.taskId],
    ['trial', session.trialId],
    ['forked from', session.fork && `${session.fork.sessionId} at ${session.fork.checkpointId}`],
    ['branch', session.branch],
    ['base commit', session.baseCommit],
    ['head commit', session.headCommit],
    ['against main', positionText(session)],
    ['runner', session.runner],
    ['queue position', session.queuePosition?.toString()],
    ['labels', labels.join(' ')],
    ['last cursor', session.lastCursor],
    ['created', session.createdAt],
    ['last active', session.lastActiveAt],
  ]);
}

function positionText({ ahead, behind }: Session): string | null {
  return typeof ahead === 'number' && typeof behind === 'number' ? `${ahead} ahead, ${behind} behind` : null;
}

function failureText({ failure }: Session): string {
  return failure ? `${failure.detail} (${failure.code})` : 'the reason is not known';
}
