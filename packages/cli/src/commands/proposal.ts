// worktrail promote, worktrail proposal list | show | approve | reject | merge | close

import { setTimeout as delay } from 'node:timers/promises';
import type { Proposal } from '@worktrail/client';
import type { Cli } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatAge } from '../screen/quantities.ts';
import { paintState } from '../screen/style.ts';
import { visible } from '../screen/visible-text.ts';

const lookEveryMs = 500;

export async function promote(
  cli: Cli,
  sessionId: string,
  { title, description }: { title?: string; description?: string },
): Promise<number> {
  const proposal = await (await cli.client()).proposals.open(sessionId, { title, description });
  if (cli.screen.json) await cli.screen.document(proposal);
  else {
    await cli.screen.line(proposal.id);
    if (proposal.detail) cli.screen.note(`worktrail: ${proposal.state}: ${visible(proposal.detail)}`);
    if (proposal.state === 'conflicted')
      for (const path of proposal.conflicts) cli.screen.note(`conflict  ${visible(path)}`);
  }
  return exitCodes.ok;
}

export async function proposalList(cli: Cli, sessionId: string): Promise<number> {
  const client = await cli.client();
  const proposals: Proposal[] = [];
  for await (const proposal of client.proposals.all(sessionId)) proposals.push(proposal);
  const { json, style } = cli.screen;
  if (json) await cli.screen.document({ items: proposals });
  else {
    const columns = [
      { title: 'PROPOSAL' },
      { title: 'STATE', style: (padded: string, state: string) => paintState(style, state)(padded) },
      { title: 'APPROVALS', align: 'right' as const },
      { title: 'TITLE', shrinks: true },
      { title: 'PULL REQUEST' },
      { title: 'CREATED' },
    ];
    const nowMs = cli.surroundings.nowMs();
    const rows = proposals.map((one) => [
      ...[one.id, one.state, approvalsText(one), one.title, pullRequestText(one)],
      formatAge(one.createdAt, nowMs),
    ]);
    await cli.screen.table(columns, rows);
  }
  return exitCodes.ok;
}

export async function proposalShow(cli: Cli, proposalId: string): Promise<number> {
  await show(cli, await (await cli.client()).proposals.get(proposalId));
  return exitCodes.ok;
}

export async function proposalDecide(
  cli: Cli,
  decision: 'approve' | 'reject' | 'close',
  proposalId: string,
  { comment, head: headCommit }: { comment?: string; head?: string },
): Promise<number> {
  const proposal = await (await cli.client()).proposals[decision](proposalId, { comment, headCommit });
  await (cli.screen.json ? cli.screen.document(proposal) : cli.screen.line(stateLine(cli, proposal)));
  return exitCodes.ok;
}

export async function proposalMerge(
  cli: Cli,
  proposalId: string,
  { head: headCommit, detach }: { head?: string; detach?: boolean },
): Promise<number> {
  const asked = await (await cli.client()).proposals.merge(proposalId, { headCommit });
  const proposal = detach ? asked : await untilDone(cli, asked);
  if (proposal === null) {
    cli.screen.note(`The request to merge stands: worktrail proposal show ${proposalId}`);
    return exitCodes.interrupted;
  }
  await (cli.screen.json ? cli.screen.document(proposal) : cli.screen.line(stateLine(cli, proposal)));
  if (!detach && proposal.detail) cli.screen.note(`worktrail: ${proposal.detail}`);
  const isDone = proposal.state === 'merged' || proposal.pullRequest?.state === 'open';
  return detach || isDone ? exitCodes.ok : exitCodes.failed;
}

/** Null: whoever waits for it has had enough. */
async function untilDone(cli: Cli, asked: Proposal): Promise<Proposal | null> {
  const patient = await cli.patientClient();
  const leave = new AbortController();
  const { signal } = leave;
  const stop = cli.surroundings.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], () => leave.abort());
  try {
    let said = '';
    for (let proposal = asked; ; proposal = await patient.proposals.get(asked.id, { signal })) {
      if (!isUnderWay(proposal)) return proposal;
      const now = progressText(proposal);
      if (now !== said) cli.screen.note(`worktrail: ${now}`);
      said = now;
      await delay(lookEveryMs, undefined, { signal });
    }
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  } finally {
    stop();
  }
}

function progressText({ state, checks, detail, targetBranch }: Proposal): string {
  if (detail) return `${state}: ${visible(detail)}`;
  if (state === 'mergeable') return `merging into ${targetBranch}`;
  const done = checks.filter(({ outcome }) => outcome !== null).length;
  return checks.length === 0
    ? `merging with ${targetBranch} anew`
    : `checking: ${done} of ${checks.length} checks done`;
}

/** Merged sooner or later, if nobody does anything about it: a pull request is merged by people. */
function isUnderWay({ state, mergeRequestedBy, pullRequest }: Proposal): boolean {
  if (pullRequest?.state === 'open') return false;
  return mergeRequestedBy !== null && (state === 'checking' || state === 'mergeable');
}

function stateLine({ screen }: Cli, proposal: Proposal): string {
  const { id, state, mergeCommit } = proposal;
  const approvals = state === 'awaiting_approval' ? `${approvalsText(proposal)} approvals` : '';
  const more = [mergeCommit ?? approvals, pullRequestText(proposal)].filter((one) => one !== '').join('  ');
  return `${id}  ${paintState(screen.style, state)(state)}${more && `  ${more}`}`;
}

function pullRequestText({ pullRequest }: Proposal): string {
  return pullRequest ? visible(`${pullRequest.url} ${pullRequest.state}`) : '';
}

function approvalsText({ approvals, requiredApprovals }: Proposal): string {
  return `${approvals.length} of ${requiredApprovals}`;
}

async function show({ screen }: Cli, proposal: Proposal): Promise<void> {
  if (screen.json) return screen.document(proposal);
  const { approvals, checks, conflicts } = proposal;
  await screen.fields([
    ['proposal', proposal.id],
    ['title', proposal.title],
    ['description', proposal.description],
    ['state', proposal.state],
    ['why', proposal.detail],
    ['session', proposal.sessionId],
    ['target', `${proposal.targetBranch}${proposal.baseCommit ? ` at ${proposal.baseCommit}` : ''}`],
    ['head', proposal.headCommit],
    ['tree', proposal.candidateTree],
    ['files changed', proposal.filesChanged === null ? null : String(proposal.filesChanged)],
    ['approvals', approvalsText(proposal)],
    ...approvals.map(({ by, at, comment }): [string, string] => ['approved', joined(`${at} by ${by}`, comment)]),
    ['checks run in', proposal.checkSessionId],
    ['pull request', pullRequestText(proposal) || null],
    ['merged there by', proposal.state === 'merged' ? (proposal.pullRequest?.by ?? null) : null],
    ['merge commit', proposal.mergeCommit],
  ]);
  for (const path of conflicts) await screen.line(`conflict  ${visible(path)}`);
  if (checks.length === 0) return;
  const columns = [
    { title: 'CHECK', shrinks: true },
    { title: 'RESULT', style: (padded: string, result: string) => paintState(screen.style, result)(padded) },
    { title: 'COMMAND' },
  ];
  await screen.table(
    columns,
    checks.map(({ command, outcome, exitCode, commandId }) => [
      ...[command, resultText(proposal, outcome, exitCode), commandId ?? ''],
    ]),
  );
  const failed = checks.find(({ outcome, exitCode }) => outcome !== null && !(outcome === 'exited' && exitCode === 0));
  if (failed?.commandId && proposal.checkSessionId)
    screen.note(`What it printed: worktrail logs ${proposal.checkSessionId} --command ${failed.commandId}`);
}

function joined(text: string, comment: string): string {
  return comment ? `${text}: ${comment}` : text;
}

function resultText({ state }: Proposal, outcome: string | null, exitCode: number | null): string {
  if (outcome === null) return state === 'checking' ? 'pending' : 'not run';
  if (outcome !== 'exited') return outcome;
  return exitCode === 0 ? 'passed' : `exited with ${exitCode}`;
}
