// Reads the git session of a round, its forks, proposals and the main branch back, and says what is wrong with them.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Session, WorktrailApiError, type WorktrailClient } from '@worktrail/client';
import { checkHistory } from './checks.ts';
import { checkFiles, checkMain, checkSessions, type Landed, wasRestored } from './git-checks.ts';
import type { GitWork } from './git-work.ts';
import type { Files } from './git-workload.ts';
import { readHistory } from './observe.ts';
import { readFeeds } from './read-feeds.ts';
import type { RoundResult } from './round-result.ts';
import { fileCheck } from './session-work.ts';
import { sha256 } from './workload.ts';

const run = promisify(execFile);
const CHECKS_LABEL = 'worktrail/proposal';

export interface GitSide {
  /** Of this alone are the git sessions. */
  projectId: string;
  /** Bare. */
  upstream: string;
  /** What main was when the round began. */
  mainBefore: string;
}

export async function mainOf(upstream: string): Promise<string> {
  return (await run('git', ['-C', upstream, 'rev-parse', 'refs/heads/main'])).stdout.trim();
}

/** Adds what it finds to `result`; answers the sessions of the checks, and the forks. */
export async function readGitBack(
  client: WorktrailClient,
  { sessionId, followers, cycles }: GitWork,
  side: GitSide,
  result: RoundResult,
  signal: AbortSignal,
): Promise<{ checks: string[]; forks: string[] }> {
  const { violations } = result;
  const history = await readHistory(client, sessionId, signal);
  for (const { cycle, since, trees, proposal } of cycles) {
    const isExcused = wasRestored(history, since);
    for (const tree of trees) {
      if (wasRestored(history, since, tree.until)) continue;
      const found = await readTree(client, tree.sessionId, tree.checkpointId, cycle.directory, signal);
      violations.push(...checkFiles(`${tree.what} of ${tree.sessionId}`, tree.files, found));
    }
    result.proposals[proposal.state] = (result.proposals[proposal.state] ?? 0) + 1;
    const isAllowed = proposal.state === 'merged' || (proposal.state === 'closed' && (cycle.race || isExcused));
    if (!isAllowed)
      violations.push({ kind: 'outcome', what: `${proposal.id} is ${proposal.state}: ${proposal.detail}` });
  }
  violations.push(
    ...checkMain(
      cycles.map(({ proposal }) => proposal),
      await readMain(side),
    ),
  );
  await readFeeds(client, { sessionId, followers }, violations, signal);

  const forks = cycles.flatMap((one) => one.forks);
  const all = await sessionsOf(
    client,
    side.projectId,
    sessionId,
    cycles.map(({ proposal }) => proposal.id),
    signal,
  );
  violations.push(
    ...checkSessions(
      forks,
      all.forks.map(({ id }) => id),
    ),
  );
  for (const id of forks) {
    const inherited = await readHistory(client, id, signal);
    violations.push(...checkHistory(`fork ${id}`, inherited));
    if (!inherited.some(({ type }) => type === 'session.forked'))
      violations.push({ kind: 'lost', what: `the history of fork ${id} does not say that it is one` });
  }
  const last = cycles.at(-1)!;
  if (!wasRestored(history, last.since)) {
    const [fork] = last.forks;
    const files = Object.entries(last.cycle.second).map(([path, text]) => ({
      path,
      mode: '644',
      sha256: sha256(Buffer.from(text)),
    }));
    const { command, stdout } = fileCheck(files);
    const read = await client.commands.run(fork!, { command, stdin: '' }, { waitSeconds: 60, signal });
    if (read.output?.text !== stdout)
      violations.push({ kind: 'differs', what: `files of fork ${fork}: ${read.output?.text}, not ${stdout}` });
  }
  result.events += history.length;
  result.forks += forks.length;
  return { checks: all.checks.map(({ id }) => id), forks };
}

async function readTree(
  client: WorktrailClient,
  sessionId: string,
  at: string,
  directory: string,
  signal: AbortSignal,
): Promise<Files> {
  const files: Record<string, string> = {};
  const read = async (path: string): Promise<void> => {
    for await (const item of client.files.all(sessionId, { path, at }, { signal })) {
      if (item.type === 'directory') await read(item.path);
      else {
        const { body } = await client.files.open(sessionId, item.path, { at, signal });
        files[item.path] = await new Response(body).text();
      }
    }
  };
  await read(directory).catch((error: unknown) => {
    if (!(error instanceof WorktrailApiError && error.code === 'not_found')) throw error;
  });
  return files;
}

async function readMain({ upstream, mainBefore }: GitSide): Promise<Landed[]> {
  const format = '--format=%H %T %(trailers:key=Worktrail-Proposal,valueonly,separator=%x20)';
  const args = ['-C', upstream, 'log', '--first-parent', format, `${mainBefore}..refs/heads/main`];
  const { stdout } = await run('git', args);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [commit, tree, proposalId] = line.split(' ');
    return { commit: commit!, tree: tree!, proposalId: proposalId ?? '' };
  });
}

/** Of this round: the forks of its git session, and the sessions in which its proposals were checked. */
async function sessionsOf(
  client: WorktrailClient,
  projectId: string,
  sessionId: string,
  proposals: readonly string[],
  signal: AbortSignal,
): Promise<{ forks: Session[]; checks: Session[] }> {
  const all: Session[] = [];
  for await (const session of client.sessions.all({ projectId }, { signal })) all.push(session);
  return {
    forks: all.filter(({ fork }) => fork?.sessionId === sessionId),
    checks: all.filter(({ labels }) => proposals.includes(labels[CHECKS_LABEL] ?? '')),
  };
}
