import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ApprovalPolicy } from '@worktrail/contract/documents';
import type { Candidate, SeenPullRequest } from '@worktrail/contract/proposal-activities';
import type { ProposalDecision, ProposalSpec } from '@worktrail/contract/proposal-messages';
import { sampleSession } from '../../test/samples.ts';
import * as candidates from './candidates.ts';
import * as decisions from './decisions.ts';
import * as merging from './merging.ts';
import { nextProposalStep, type ProposalStep, type ProposalUnderway } from './next-step.ts';
import * as pullRequests from './pull-requests.ts';
import { newProposalState, proposalDocument, type ProposalState, type PushedCommit } from './state.ts';

const policy: ApprovalPolicy = {
  ...{ requiredApprovals: 1, authorMayApprove: false, requiredChecks: [], mergeMethod: 'pull_request' },
  pullRequest: { host: 'github' },
};
const noon = '2026-01-01T12:00:00.000Z';
const source = (tree: number) => ({
  ...{ baseCommit: 'base', bundles: [] },
  checkpoint: { id: 'chk', number: tree, commit: '', tree: `${tree}` },
});

/** A proposal, and the host on which it is put up. */
interface World {
  state: ProposalState;
  underway: Record<keyof ProposalUnderway, boolean>;
  pushing: { pushed: PushedCommit; settleOnly: boolean } | null;
  heads: number;
  target: number;
  merges: number;
  policies: number;
  host: SeenPullRequest | null;
  opened: number;
  branch: string | null;
  /** Heads that ever had an approval. */
  approved: Set<string>;
}

function world(): World {
  const spec = {
    ...{ organizationId: 'org', projectId: 'prj', sessionId: 'ses', partition: 0, generation: 1 },
    ...{ proposalId: 'ppl_00000000000000000000000001', title: 'T', description: '', branch: 'worktrail/t-1' },
    ...{ author: { id: 'prn_a', name: 'A' }, openedBy: { id: 'prn_a', name: 'A' }, source: source(0) },
    ...{ policy: { version: 1, policy }, checkSession: sampleSession(), createdAt: noon },
  } as unknown as ProposalSpec;
  const underway = {
    ...{ preparing: false, talking: false, listening: false, pushing: false, looking: false, leaving: false },
    ...{ resting: false, ending: false, recording: false },
  };
  return {
    ...{ state: newProposalState(spec), underway, pushing: null, heads: 0, target: 0, merges: 0, policies: 1 },
    ...{ host: null, opened: 0, branch: null, approved: new Set<string>() },
  };
}

type Happening =
  | { is: 'approve' | 'merge' | 'close' | 'propose' | 'policy' | 'move' | 'prepared' | 'rested' | 'recorded' }
  /** `lost`: it had its effect, and nobody was told. */
  | { is: 'pushed' | 'looked' | 'left'; as: 'answered' | 'lost' | 'away' | 'refused' }
  /** On the host. */
  | { is: 'mergedThere' | 'closedThere' | 'pushedThere' };

const plain = fc.constantFrom('approve', 'merge', 'prepared', 'rested', 'recorded');
const as = fc.constantFrom('answered', 'answered', 'answered', 'lost', 'away', 'refused');
const happening = fc.oneof(
  { weight: 8, arbitrary: fc.record({ is: plain }) },
  { weight: 8, arbitrary: fc.record({ is: fc.constantFrom('pushed', 'looked', 'left'), as }) },
  fc.record({ is: fc.constantFrom('propose', 'policy', 'move', 'close') }),
  fc.record({ is: fc.constantFrom('mergedThere', 'closedThere', 'pushedThere') }),
) as fc.Arbitrary<Happening>;
const lives = fc.array(happening, { maxLength: 80, size: 'max' });

const decision = ({ state }: World, id: string): ProposalDecision => ({
  ...{ by: { id, name: id }, comment: '', headCommit: null, policy: state.policy },
});

function happen(world: World, one: Happening): void {
  const { state, underway, host } = world;
  switch (one.is) {
    case 'approve':
      if (!decisions.refuseApproval(state, decision(world, 'prn_b'))) {
        decisions.approved(state, decision(world, 'prn_b'), noon);
        world.approved.add(state.head!.commit);
      }
      break;
    case 'merge':
      if (!decisions.refuseMerge(state, decision(world, 'prn_a')))
        decisions.mergeAsked(state, decision(world, 'prn_a'), `at-${++world.merges}`);
      break;
    case 'close':
      if (!decisions.refuseDecision(state, decision(world, 'prn_a')))
        decisions.endingAsked(state, 'closed', decision(world, 'prn_a'), noon);
      break;
    case 'propose': {
      if (state.final || state.ending || state.pushed) break;
      const again = { requestId: `${world.heads}`, source: source(++world.heads), by: { id: 'prn_a', name: '' } };
      candidates.proposedAgain(state, { ...again, title: null, description: null, policy: state.policy }, noon);
      underway.preparing = false;
      break;
    }
    case 'policy':
      candidates.policyChanged(state, { version: ++world.policies, policy }, noon);
      break;
    case 'move':
      world.target += 1;
      break;
    case 'prepared':
      if (underway.preparing) prepared(world);
      break;
    case 'rested':
      if (underway.resting && state.trouble) state.trouble.rested = true;
      underway.resting = false;
      break;
    case 'recorded':
      if (underway.recording) state.recordedVersion = state.version;
      underway.recording = false;
      break;
    case 'pushed':
      if (underway.pushing) push(world, one.as);
      break;
    case 'looked':
      if (underway.looking) look(world, one.as);
      break;
    case 'left':
      if (underway.leaving) leave(world, one.as);
      break;
    case 'mergedThere':
      if (host?.state === 'open') {
        const merged = { mergeCommit: 'merge', mergedTree: `tree-${host.headCommit}`, by: 'grace' };
        world.host = { ...host, state: 'merged', ...merged };
      }
      break;
    case 'closedThere':
      if (host?.state === 'open') world.host = { ...host, state: 'closed', by: 'grace' };
      break;
    case 'pushedThere':
      if (host?.state === 'open') {
        world.host = { ...host, headCommit: 'foreign' };
        world.branch = 'foreign';
      }
  }
  act(world);
}

function prepared(world: World): void {
  const { state, underway } = world;
  underway.preparing = false;
  const headCommit = `head-${world.heads}`;
  const candidate: Candidate = {
    ...{ headCommit, target: `target-${world.target}`, tree: `tree-${headCommit}`, filesChanged: 1 },
    checkpoint: { id: 'chk', number: 1, commit: 'c', tree: 't' },
    bundle: { name: 'bundle', sha256: '', bytes: 1 },
  };
  candidates.candidatePrepared(state, state.planned, { state: 'clean', candidate }, noon);
}

/** As `openPullRequest` does it. */
function push(world: World, as: string): void {
  const { state, underway, pushing } = world;
  underway.pushing = false;
  world.pushing = null;
  if (!pushing) return;
  const { pushed, settleOnly } = pushing;
  const answer = (result: Parameters<typeof pullRequests.openingAnswered>[2]) =>
    pullRequests.openingAnswered(state, pushed, result, noon);
  if (as === 'away') return answer({ state: 'unknown', detail: 'away', retryAfterMs: 1_000 });
  if (as === 'refused') return answer({ state: 'refused', detail: '403' });
  const { candidate } = pushed;
  const { host } = world;
  if (!settleOnly && (!host || host.state === 'open') && candidate.target === `target-${world.target}`) {
    if (world.branch !== null && !state.pullRequest!.commits.includes(world.branch))
      return answer({ state: 'refused', detail: 'foreign' });
    world.branch = candidate.headCommit;
    if (!host) world.opened += 1;
    world.host = {
      ...{ host: 'github', url: 'https://h/1', number: 1, state: 'open', headCommit: candidate.headCommit },
      ...{ targetBranch: state.spec.checkSession.repository.defaultBranch, mergeCommit: null, mergedTree: null },
      by: null,
    };
  } else if (!settleOnly && (!host || host.state === 'open')) return answer({ state: 'moved', tip: 'x' });
  if (as === 'lost') return merging.pushFailed(state, 'lost', noon);
  const found = world.host;
  const isKnown = state.pullRequest?.seen !== null;
  if (!found || (settleOnly && found.state === 'open' && isKnown && found.headCommit !== candidate.headCommit))
    return answer({ state: 'not_pushed', detail: '' });
  answer({ state: 'opened', pullRequest: found });
}

const unknown = (isFinal: boolean) => ({ state: 'unknown' as const, detail: 'no', retryAfterMs: null, isFinal });

function look(world: World, as: string): void {
  world.underway.looking = false;
  const isSeen = as === 'answered' && world.host !== null;
  const result = isSeen ? { state: 'seen' as const, pullRequest: world.host! } : unknown(as === 'refused');
  pullRequests.looked(world.state, result, noon);
}

function leave(world: World, as: string): void {
  world.underway.leaving = false;
  const { host, state } = world;
  if (as === 'away' || as === 'refused') return pullRequests.leaveAnswered(state, unknown(as === 'refused'), noon);
  if (host?.state === 'open') world.host = { ...host, state: 'closed' };
  if (world.branch !== null && state.pullRequest!.commits.includes(world.branch)) world.branch = null;
  if (as === 'lost') return pullRequests.leaveAnswered(state, unknown(false), noon);
  pullRequests.leaveAnswered(state, { state: 'left', pullRequest: world.host }, noon);
}

function act(world: World): void {
  for (let steps = 0; ; steps++) {
    if (steps > 100) throw new Error('the proposal does not stop taking steps');
    const step = nextProposalStep(world.state, world.underway);
    if (!step || step.do === 'complete') return;
    take(world, step);
  }
}

function take(world: World, step: Exclude<ProposalStep, { do: 'complete' }>): void {
  const { state, underway } = world;
  switch (step.do) {
    case 'prepare':
      underway.preparing = true;
      return;
    case 'rest':
      underway.resting = true;
      return;
    case 'push':
    case 'settle': {
      const settleOnly = step.do === 'settle';
      const pushed = settleOnly ? state.pushed : merging.pushBegun(state);
      if (!pushed) throw new Error('there is nothing to put up');
      pullRequests.branchPushBegun(state, pushed.candidate.headCommit);
      if (!settleOnly) {
        expect(world.approved).toContain(pushed.candidate.headCommit);
        expect(state.approvals).toHaveLength(1);
        expect(state.ending).toBeNull();
      }
      world.pushing = { pushed, settleOnly };
      underway.pushing = true;
      return;
    }
    case 'look':
      underway.looking = true;
      return;
    case 'leave':
      underway.leaving = true;
      underway.looking = false;
      return;
    case 'end':
      return merging.ended(state, noon);
    case 'record':
      underway.recording = true;
      return;
    default:
      throw new Error(`${step.do}: nothing is checked here`);
  }
}

function live(happenings: readonly Happening[], check: (world: World) => void = () => undefined): World {
  const one = world();
  act(one);
  for (const next of happenings) {
    happen(one, next);
    check(one);
  }
  return one;
}

describe('any life of a proposal that is put up as a pull request', () => {
  it('opens one pull request, of a head that was approved, and by a request', () => {
    let opened = 0;
    fc.assert(
      fc.property(lives, (happenings) => {
        const one = live(happenings);
        expect(one.opened).toBeLessThanOrEqual(1);
        opened += one.opened;
      }),
      { numRuns: 1_000 },
    );
    expect(opened).toBeGreaterThan(100);
  });

  it('is merged only where the host has merged it, and never ends otherwise what it knows to be merged', () => {
    let merged = 0;
    fc.assert(
      fc.property(lives, (happenings) => {
        live(happenings, ({ state, host }) => {
          if (state.final === 'merged') {
            expect(host?.state).toBe('merged');
            merged += 1;
          }
          if (state.final === 'closed' && state.pullRequest?.seen?.state === 'merged') throw new Error('it was merged');
        });
      }),
      { numRuns: 1_000 },
    );
    expect(merged).toBeGreaterThan(20);
  });

  it('keeps a state that survives JSON, and shows what the host said last', () => {
    fc.assert(
      fc.property(lives, (happenings) => {
        const { state } = live(happenings);
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
        const { pullRequest } = proposalDocument(state);
        if (pullRequest) expect(pullRequest.state).toBe(state.pullRequest?.seen?.state);
      }),
      { numRuns: 300 },
    );
  });

  it('ends as its pull request has, once the host answers, and leaves no branch of its own', () => {
    const settle: Happening[] = [
      ...([{ is: 'rested' }, { is: 'pushed', as: 'answered' }, { is: 'prepared' }] as const),
      ...([{ is: 'looked', as: 'answered' }, { is: 'left', as: 'answered' }, { is: 'recorded' }] as const),
    ];
    fc.assert(
      fc.property(lives, fc.constantFrom('mergedThere', 'closedThere', 'close'), (happenings, end) => {
        const careful = happenings.filter((one) => !('as' in one && one.as === 'refused'));
        const one = live([...careful, ...settle, ...settle, { is: end }, ...settle, ...settle, { is: 'close' }]);
        for (let turn = 0; turn < 20; turn++) for (const next of settle) happen(one, next);
        const { state, host, branch, underway } = one;
        expect(state.final).not.toBeNull();
        expect(state.final === 'merged').toBe(host?.state === 'merged');
        expect(host?.state).not.toBe('open');
        expect([null, 'foreign']).toContain(branch);
        expect(nextProposalStep(state, { ...underway, recording: false })).toMatchObject({ do: 'complete' });
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('looking at a pull request', () => {
  it('is done less often the longer nothing changes, and not before the host wants it', () => {
    const of = (looks: number, waitMs = 0) => pullRequests.lookMs({ looks, waitMs } as never);
    expect([0, 1, 5, 8, 1_000].map((looks) => of(looks))).toEqual([2_000, 4_000, 64_000, 300_000, 300_000]);
    expect(of(0, 3_600_000)).toBe(3_600_000);
  });

  it('says where what was merged, or what would be merged, is not what was approved', () => {
    const begin: Happening[] = [
      { is: 'prepared' },
      { is: 'approve' },
      { is: 'merge' },
      { is: 'pushed', as: 'answered' },
    ];
    const one = live([...begin, { is: 'pushedThere' }, { is: 'looked', as: 'answered' }]);
    expect(proposalDocument(one.state).detail).toContain('foreign, which nobody here has approved');
    happen(one, { is: 'mergedThere' });
    happen(one, { is: 'looked', as: 'answered' });
    expect(proposalDocument(one.state)).toMatchObject({
      ...{ state: 'merged', mergeCommit: 'merge', detail: 'what was merged is not the tree that was checked' },
      pullRequest: { state: 'merged', by: 'grace', headCommit: 'head-0', mergedTree: 'tree-foreign' },
    });
  });

  it('waits a while for a merge that the target does not show yet, and then says that it cannot be seen', () => {
    const begin: Happening[] = [
      { is: 'prepared' },
      { is: 'approve' },
      { is: 'merge' },
      { is: 'pushed', as: 'answered' },
    ];
    const one = live([...begin, { is: 'mergedThere' }]);
    one.host = { ...one.host!, mergedTree: null };
    for (let turn = 0; turn < 3; turn++) happen(one, { is: 'looked', as: 'answered' });
    expect(one.state.final).toBeNull();
    for (let turn = 0; turn < 10; turn++) happen(one, { is: 'looked', as: 'answered' });
    expect(proposalDocument(one.state)).toMatchObject({
      ...{ state: 'merged', detail: 'what was merged cannot be seen in the target branch' },
    });
  });

  it('does not take a merge to another branch for one to the target', () => {
    const begin: Happening[] = [
      { is: 'prepared' },
      { is: 'approve' },
      { is: 'merge' },
      { is: 'pushed', as: 'answered' },
    ];
    const one = live([...begin, { is: 'mergedThere' }]);
    one.host = { ...one.host!, targetBranch: 'elsewhere' };
    happen(one, { is: 'looked', as: 'answered' });
    expect(one.state).toMatchObject({ final: 'closed', mergeCommit: null });
  });
});
