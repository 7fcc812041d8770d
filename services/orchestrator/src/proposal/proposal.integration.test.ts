import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProposalDocument, SessionDocument } from '@worktrail/contract/documents';
import type { ForkPoint } from '@worktrail/contract/forks';
import { newId } from '@worktrail/contract/ids';
import { forkSession } from '@worktrail/contract/session-messages';
import { sessionKey, projectKey } from '@worktrail/contract/subjects';
import { type OrchestratorBed, type Servers, startOrchestratorBed, startServers } from '../../test/orchestrator-bed.ts';
import { captured, startProposal } from '../../test/proposal-client.ts';
import { sampleCommand, sampleFork, sampleSession } from '../../test/samples.ts';
import { type SessionClient, startSession, until } from '../../test/session-client.ts';
import type { ContinuedProposal } from './workflow.ts';

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers.stop());

// A worker that keeps no workflow in memory replays each task: what is not deterministic shows at once.
describe('a proposal', () => {
  let bed: OrchestratorBed;
  beforeAll(async () => {
    bed = await startOrchestratorBed(servers, 0);
  });
  afterAll(() => bed.stop());

  async function readySession(): Promise<SessionClient> {
    const session = await startSession(bed, sampleSession());
    await session.untilState('ready');
    await until(session.stored, (document) => document?.checkpoint?.number === 1);
    return session;
  }
  const documentOf = async (session: SessionClient, sessionId: string) =>
    (await bed.sessions.get(sessionKey(session.spec.organizationId, sessionId)))?.json<SessionDocument>();

  it('is checked in a session of its own that starts from the merge, approved by another, and merged when asked', async () => {
    const session = await readySession();
    const proposal = await startProposal(bed, session, { requiredChecks: ['exit 0', 'exit 0'] });
    const waiting = await proposal.untilState('awaiting_approval', 'checks_failed');
    expect(waiting.checks).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }]);
    const opened = bed.runner.opened.find(({ sessionId }) => sessionId === waiting.checkSessionId);
    const { tree } = opened!.restore!.checkpoint!;
    expect([tree, opened!.restore!.baseCommit]).toEqual([waiting.candidateTree, waiting.baseCommit]);
    await expect(proposal.approve('prn_author')).rejects.toMatchObject({ cause: { type: 'author_may_not_approve' } });
    await expect(proposal.merge('prn_opener')).rejects.toMatchObject({ cause: { type: 'conflict' } });
    expect(await proposal.approve('prn_one')).toMatchObject({ state: 'mergeable' });
    expect(await proposal.merge('prn_opener')).toMatchObject({ state: 'merged', mergeCommit: bed.git.target });
    expect(bed.git.landed.at(-1)).toBe(waiting.candidateTree);
    expect(await proposal.ended()).toMatchObject({ state: 'merged', artifacts: [] });
    expect(await proposal.history()).toEqual([
      ...['proposalOpened', 'proposalChecked', 'proposalChecked', 'proposalApproved', 'proposalMerged'],
    ]);
    await until(
      () => documentOf(session, waiting.checkSessionId!),
      (document) => document?.state === 'archived',
    );
    expect((await session.describe()).state).toBe('ready');
  });

  it('is checked again when its target has moved, and the request to merge stands', async () => {
    const proposal = await startProposal(bed, await readySession());
    const first = await proposal.untilState('awaiting_approval');
    await proposal.approve('prn_one');
    bed.git.target = 'moved';
    await proposal.merge('prn_opener');
    const merged = await proposal.ended();
    expect(merged).toMatchObject({ state: 'merged', baseCommit: 'moved', headCommit: first.headCommit });
    expect(merged.checkSessionId).not.toBe(first.checkSessionId);
    expect(bed.git.landed.at(-1)).toBe(merged.candidateTree);
  });

  it('is not merged where a check fails; put up again with the same files it keeps its approvals and is checked anew', async () => {
    const session = await readySession();
    const proposal = await startProposal(bed, session, { requiredChecks: ['exit 3'] });
    await proposal
      .approve('prn_one')
      .catch(() =>
        until(proposal.describe, ({ headCommit }) => headCommit !== null).then(() => proposal.approve('prn_one')),
      );
    const failed = await proposal.untilState('checks_failed');
    expect(failed.checks).toMatchObject([{ outcome: 'exited', exitCode: 3 }]);
    await expect(proposal.merge('prn_opener')).rejects.toMatchObject({ cause: { type: 'conflict' } });
    const again = await proposal.again(proposal.spec.source);
    expect(again).toMatchObject({ headCommit: failed.headCommit, approvals: [{ by: 'prn_one' }] });
    await proposal.untilState('checks_failed');
    await proposal.changePolicy({ requiredChecks: ['exit 0'] });
    const waiting = await proposal.untilState('awaiting_approval');
    expect(waiting.approvals).toEqual([]);
    const other = await proposal.again(await captured(session));
    expect(other.headCommit).not.toBe(failed.headCommit);
    expect(await proposal.close('prn_opener')).toMatchObject({ state: 'closed' });
    await proposal.ended();
  });

  it('finds out what came of a push whose answer was lost, and merges once; without a fence where the remote takes none', async () => {
    for (const pushes of ['lost', 'lost before', 'unreachable', 'unfenced'] as const) {
      const landed = bed.git.landed.length;
      const proposal = await startProposal(bed, await readySession(), { requiredChecks: [], requiredApprovals: 0 });
      await proposal.untilState('mergeable');
      bed.git.script.pushes = pushes;
      const merging = proposal.merge('prn_opener');
      if (pushes === 'unreachable') await until(proposal.describe, ({ detail }) => detail !== null);
      bed.git.script.pushes = pushes === 'unreachable' ? 'taken' : bed.git.script.pushes;
      await merging;
      expect(await proposal.ended()).toMatchObject({ state: 'merged' });
      expect(bed.git.landed.length).toBe(landed + 1);
    }
  });

  it('lands after another one to the same branch, on top of it and checked with it', async () => {
    const both = await Promise.all(
      [1, 2].map(async () => startProposal(bed, await readySession(), { requiredApprovals: 0 })),
    );
    for (const proposal of both) await proposal.untilState('mergeable');
    const before = bed.git.target;
    await Promise.all(both.map((proposal) => proposal.merge('prn_opener')));
    const ended = await Promise.all(both.map((proposal) => proposal.ended()));
    expect(ended.map(({ state }) => state)).toEqual(['merged', 'merged']);
    const [first, second] = ended.toSorted((one) => (one.baseCommit === before ? -1 : 1));
    expect([first!.baseCommit, second!.baseCommit]).toEqual([before, first!.mergeCommit]);
    expect(bed.git.landed.slice(-2)).toEqual([first!.candidateTree, second!.candidateTree]);
    const checks = (await both[ended.indexOf(second!)]!.history()).filter((one) => one === 'proposalChecked');
    expect(checks).toHaveLength(2);
  });

  it('is left as it was where the remote refuses, with the reason; it can be asked for again', async () => {
    const proposal = await startProposal(bed, await readySession(), { requiredChecks: [], requiredApprovals: 0 });
    await proposal.untilState('mergeable');
    bed.git.script.pushes = 'refused';
    await expect(proposal.merge('prn_opener')).rejects.toMatchObject({ cause: { message: 'the branch is protected' } });
    expect(await proposal.describe()).toMatchObject({
      state: 'mergeable',
      mergeRequestedBy: null,
      detail: 'the branch is protected',
    });
    bed.git.script.pushes = 'taken';
    expect(await proposal.merge('prn_opener')).toMatchObject({ state: 'merged' });
  });

  async function putUp(continued?: ContinuedProposal) {
    const policy = { requiredChecks: [], requiredApprovals: 0, mergeMethod: 'pull_request' as const };
    const session = await readySession();
    const proposal = await startProposal(bed, session, policy, continued);
    await proposal.untilState('mergeable');
    return { session, proposal, branch: `${proposal.spec.branch}-${proposal.spec.proposalId.slice(-8)}` };
  }

  it('is put up as a pull request where the policy says so, once, and merged when its host has merged it', async () => {
    for (const opens of ['taken', 'lost', 'lost before'] as const) {
      const { proposal, branch } = await putUp();
      const { length } = bed.git.landed;
      bed.git.script.opens = opens;
      const asked = await proposal.merge('prn_opener');
      const up = await until(proposal.describe, ({ pullRequest }) => pullRequest !== null);
      expect(up).toMatchObject({
        state: 'mergeable',
        pullRequest: { state: 'open', headCommit: asked.headCommit, branch },
      });
      expect(bed.git.landed).toHaveLength(length);
      bed.git.change(branch, { state: 'merged', mergeCommit: 'm', mergedTree: up.candidateTree, by: 'grace' });
      const merged = await proposal.ended();
      expect(merged).toMatchObject({ state: 'merged', mergeCommit: 'm', detail: null, pullRequest: { by: 'grace' } });
      expect((await proposal.history()).slice(-1)).toEqual(['proposalMerged']);
    }
  });

  it('is closed with its pull request, whoever closes it, but not where that was merged before', async () => {
    const there = await putUp();
    await there.proposal.merge('prn_opener');
    bed.git.change(there.branch, { state: 'closed', by: 'grace' });
    expect(await there.proposal.ended()).toMatchObject({
      state: 'closed',
      pullRequest: { state: 'closed', by: 'grace' },
    });
    const here = await putUp();
    await here.proposal.merge('prn_opener');
    expect(await here.proposal.close('prn_opener')).toMatchObject({ state: 'closed' });
    expect(bed.git.pulls.get(here.branch)).toMatchObject({ state: 'closed' });
    const late = await putUp();
    const { candidateTree } = await late.proposal.merge('prn_opener');
    bed.git.change(late.branch, { state: 'merged', mergeCommit: 'm', mergedTree: candidateTree });
    await expect(late.proposal.close('prn_opener')).rejects.toMatchObject({ cause: { type: 'conflict' } });
    expect(await late.proposal.ended()).toMatchObject({ state: 'merged' });
  });

  it('waits for a host that is away, goes on in a new run, and is told what the host refuses', async () => {
    const { proposal, branch } = await putUp({ eventsMax: 40 });
    const { runId } = await proposal.handle.describe();
    bed.git.script.opens = 'refused';
    await expect(proposal.merge('prn_opener')).rejects.toMatchObject({ cause: { message: 'the host answers 403' } });
    await proposal.merge('prn_opener');
    bed.git.script.opens = 'away';
    await until(proposal.describe, ({ detail }) => detail === 'of the pull request: the host answers 502');
    bed.git.script.opens = 'taken';
    bed.git.change(branch, { headCommit: 'foreign' });
    await until(
      () => proposal.handle.describe(),
      (described) => described.runId !== runId,
    );
    await proposal.merge('prn_opener');
    await until(proposal.describe, ({ detail }) => detail?.startsWith('the head of the pull request is') ?? false);
    bed.git.change(branch, { state: 'merged', mergeCommit: 'm', mergedTree: 'foreign' });
    await proposal.merge('prn_opener');
    const merged = await proposal.ended();
    expect(merged).toMatchObject({ state: 'merged', detail: 'what was merged is not the tree that was checked' });
  });

  it('has its pull request brought to a new head, when that is asked for', async () => {
    const { session, proposal, branch } = await putUp();
    const first = await proposal.merge('prn_opener');
    const again = await proposal.again(await captured(session));
    expect(again).toMatchObject({ mergeRequestedBy: null, pullRequest: { headCommit: first.headCommit } });
    expect(again.headCommit).not.toBe(first.headCommit);
    await proposal.untilState('mergeable');
    expect(bed.git.pulls.get(branch)).toMatchObject({ headCommit: first.headCommit });
    await proposal.merge('prn_opener');
    const up = await until(proposal.describe, ({ pullRequest }) => pullRequest?.headCommit === again.headCommit);
    expect(up.pullRequest).toMatchObject({ number: first.pullRequest!.number, state: 'open' });
    await proposal.close('prn_opener');
  });

  it('reads the policy once more before it pushes', async () => {
    const session = await readySession();
    const proposal = await startProposal(bed, session, { requiredChecks: [], requiredApprovals: 0 });
    await proposal.untilState('mergeable');
    const { organizationId, projectId } = session.spec;
    const approval = { requiredApprovals: 1, authorMayApprove: false, requiredChecks: [], mergeMethod: 'squash' };
    const key = projectKey(organizationId, projectId);
    await bed.configuration.put(key, JSON.stringify({ approval, approvalVersion: 2 }));
    const pushes = bed.git.pushed.length;
    const merging = proposal.merge('prn_opener');
    await proposal.untilState('awaiting_approval');
    expect(bed.git.pushed.length).toBe(pushes);
    await proposal.approve('prn_one');
    await merging;
    expect(await proposal.ended()).toMatchObject({ state: 'merged' });
    expect(bed.git.pushed.at(-1)).toMatchObject({ method: 'squash', approvedBy: [{ id: 'prn_one' }] });
  });

  it('names what conflicts, waits for a repository that is away, and can be closed meanwhile', async () => {
    bed.git.script.merges = 'conflicted';
    const conflicted = await startProposal(bed, await readySession());
    expect(await conflicted.untilState('conflicted')).toMatchObject({ conflicts: ['a'] });
    expect(await conflicted.reject('prn_one')).toMatchObject({ state: 'rejected' });
    bed.git.script.merges = 'fail';
    const waiting = await startProposal(bed, await readySession());
    await until(waiting.describe, ({ detail }) => detail === 'away');
    expect(await waiting.close('prn_opener')).toMatchObject({ state: 'closed' });
    expect(await waiting.ended()).toMatchObject({ state: 'closed' });
    bed.git.script.merges = 'clean';
  });

  const isRunning = ({ checks }: ProposalDocument) => bed.runner.isHeld(checks[0]?.commandId ?? '');

  it('is closed while its checks run, which ends them', async () => {
    const proposal = await startProposal(bed, await readySession(), { requiredChecks: ['hold'] });
    const running = await until(proposal.describe, isRunning);
    expect(await proposal.close('prn_opener')).toMatchObject({ state: 'closed' });
    await proposal.ended();
    await until(
      async () =>
        (
          await bed.sessions.get(sessionKey(proposal.spec.organizationId, running.checkSessionId!))
        )?.json<SessionDocument>(),
      (document) => document?.state === 'archived',
    );
  });

  it('runs its checks elsewhere when their session is lost', async () => {
    const proposal = await startProposal(bed, await readySession(), { requiredChecks: ['hold'], requiredApprovals: 0 });
    const first = await until(proposal.describe, isRunning);
    await bed.client.workflow.getHandle(`session:${first.checkSessionId}`).terminate('gone');
    const isElsewhere = (document: ProposalDocument) =>
      document.checkSessionId !== first.checkSessionId && isRunning(document);
    const second = await until(proposal.describe, isElsewhere);
    expect(second.checks[0]!.commandId).not.toBe(first.checks[0]!.commandId);
    await bed.runner.release(second.checks[0]!.commandId!);
    await proposal.untilState('mergeable');
    await proposal.close('prn_opener');
  });

  it('is refused while a command of the session is live', async () => {
    const session = await readySession();
    const command = sampleCommand('hold');
    await session.run(command);
    await expect(captured(session)).rejects.toMatchObject({ cause: { type: 'session_busy' } });
    await bed.runner.release(command.id);
    expect((await captured(session)).checkpoint.number).toBeGreaterThan(1);
    await session.hibernate();
    const asleep = await captured(session);
    expect((await session.describe()).state).toBe('hibernated');
    expect(asleep.checkpoint.number).toBeGreaterThan(1);
  });

  it('begins with files that its session keeps until it names them itself', async () => {
    const origin = await readySession();
    const asked = { forks: [newId('session')], checkpoint: null, by: { kind: 'user', id: 'prn_opener' } } as const;
    const point = await origin.handle.executeUpdate<ForkPoint, [object]>(forkSession, { args: [asked] });
    const made = Array.from({ length: 31 }, (_, index) => ({
      ...point.bundles[0]!,
      ...{ name: `bundle-${index}`, upTo: index + 1 },
    }));
    const checkpoint = { ...point.checkpoint, number: 31 };
    const spec = sampleFork(origin.spec, { ...point, checkpoint, bundles: made }, asked.forks[0]);
    const session = await startSession(bed, spec);
    const proposal = await startProposal(bed, session);
    const requestId = newId('proposal');
    const source = await captured(session, requestId);
    const lent = source.bundles.at(-1);
    // Bundles are put together when there are 32: those before are not the session's own any more.
    for (let count = 0; count < 2; count++) await session.checkpoint(newId('checkpoint'));
    const compacted = await until(session.stored, (one) => (one?.checkpoint?.number ?? 0) >= 33);
    expect(compacted!.artifacts).toContain(lent!.name);
    expect(await captured(session, requestId)).toEqual(source);
    await proposal.again(source, requestId);
    await until(session.stored, (one) => one?.artifacts.includes(lent!.name) === false);
    await proposal.close('prn_opener');
  });

  it('goes on in a new run where the old one stopped', async () => {
    const proposal = await startProposal(bed, await readySession(), {}, { eventsMax: 20 });
    const { runId } = await proposal.handle.describe();
    await proposal.untilState('awaiting_approval');
    for (const one of ['prn_one', 'prn_two', 'prn_three']) await proposal.approve(one);
    await until(
      () => proposal.handle.describe(),
      (described) => described.runId !== runId,
    );
    expect(await proposal.merge('prn_opener')).toMatchObject({ state: 'merged' });
    expect((await proposal.history()).filter((one) => one === 'proposalApproved')).toHaveLength(3);
  });
});
