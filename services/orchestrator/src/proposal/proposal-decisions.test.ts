import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommandOutcome } from '@worktrail/contract/commands';
import type { ApprovalPolicy } from '@worktrail/contract/documents';
import type { Candidate, PushResult } from '@worktrail/contract/proposal-activities';
import type { ProposalDecision, ProposalSpec } from '@worktrail/contract/proposal-messages';
import { sampleSession } from '../../test/samples.ts';
import * as candidates from './candidates.ts';
import * as checks from './checks.ts';
import * as decisions from './decisions.ts';
import * as merging from './merging.ts';
import { nextProposalStep, type ProposalStep, type ProposalUnderway } from './next-step.ts';
import { newProposalState, proposalDocument, type ProposalState, publicState, type PushedCommit } from './state.ts';

const noon = '2026-01-01T12:00:00.000Z';
const author = { id: 'prn_author', name: 'Author' };
const people = ['prn_author', 'prn_opener', 'prn_one', 'prn_two'];

function source(number: number) {
  const id = String(number);
  return {
    baseCommit: 'base',
    checkpoint: { id, number, commit: id, tree: id },
    bundles: [{ name: `bundle-${id}`, sha256: '', bytes: 1 }],
  };
}

function start(policy: ApprovalPolicy): ProposalState {
  const checkSession = sampleSession();
  const spec: ProposalSpec = {
    ...{ organizationId: 'org', projectId: 'prj', sessionId: 'ses', partition: 0, generation: 1, proposalId: 'ppl' },
    ...{ title: 'A title', description: '', author, openedBy: { id: 'prn_opener', name: 'Opener' } },
    ...{ source: source(0), policy: { version: 1, policy }, checkSession, branch: 'b', createdAt: noon },
  };
  return newProposalState(spec);
}

/** The world around a proposal: what its steps have begun, and what the target branch is. */
interface World {
  state: ProposalState;
  underway: Record<keyof ProposalUnderway, boolean>;
  preparing: ProposalState['planned'];
  /** Counts the target's commits. */
  target: number;
  commands: number;
  policies: number;
  heads: number;
  /** Every approval that was accepted, and for what. */
  given: { by: string; head: string | undefined; policy: number }[];
  openers: Set<string>;
  /** Checks that have exited 0, and on what. */
  passed: Set<string>;
  /** What was given to the remote, with what was known of it at that moment. */
  pushed: { tree: string; head: string; target: string; approved: boolean; checked: boolean; asked: boolean }[];
  /** A push that the remote has taken and nobody was told of. */
  landed: string | null;
  /** Pushes of hosts that were stopped in the middle of them. */
  late: { commit: string; target: string; fence: string | null }[];
  /** Fences that are there. */
  fences: Set<string | null>;
}

function world(policy: ApprovalPolicy): World {
  const state = start(policy);
  const none = {
    preparing: false,
    talking: false,
    listening: false,
    pushing: false,
    looking: false,
    leaving: false,
    resting: false,
    ending: false,
    recording: false,
  };
  return {
    ...{ state, underway: none, preparing: null, target: 0, commands: 0, policies: 1, heads: 0 },
    ...{
      given: [],
      openers: new Set(['prn_opener']),
      passed: new Set(),
      pushed: [],
      landed: null,
      late: [],
      fences: new Set(),
    },
  };
}

const exited: Record<string, { outcome: CommandOutcome; exitCode: number | null }> = {
  pass: { outcome: 'exited', exitCode: 0 },
  fail: { outcome: 'exited', exitCode: 1 },
  lose: { outcome: 'host_lost', exitCode: null },
  time: { outcome: 'timed_out', exitCode: null },
};

const policies = fc.record({
  requiredApprovals: fc.integer({ min: 0, max: 2 }),
  authorMayApprove: fc.boolean(),
  requiredChecks: fc.array(fc.constantFrom('test', 'lint', 'build'), { maxLength: 2 }),
  mergeMethod: fc.constantFrom('merge' as const, 'squash' as const),
});

type Happening =
  | { is: 'approve' | 'merge' | 'reject' | 'close'; by: string }
  | { is: 'propose'; by: string; sameFiles: boolean }
  | { is: 'prepared'; as: 'clean' | 'conflicted' | 'unfit' | 'failed' }
  | { is: 'checked'; how: keyof typeof exited; twice: boolean }
  | { is: 'policy'; policy: ApprovalPolicy }
  | { is: 'move' }
  /** What is under way goes well. */
  | { is: 'go' }
  | { is: 'talked'; ok: boolean }
  | { is: 'sessionGone' }
  | { is: 'pushAnswered'; as: 'true' | 'refused' | 'unreachable' | 'lost before' | 'lost after' }
  | { is: 'silence' }
  /** Hosts that were stopped go on where they were. */
  | { is: 'wake' }
  | { is: 'recorded' };

const by = fc.constantFrom(...people);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ is: 'go' as const }) },
  { weight: 6, arbitrary: fc.record({ is: fc.constantFrom('approve' as const, 'merge' as const), by }) },
  fc.record({
    is: fc.constant('prepared' as const),
    as: fc.constantFrom(
      'clean' as const,
      'clean' as const,
      'clean' as const,
      'conflicted' as const,
      'unfit' as const,
      'failed' as const,
    ),
  }),
  fc.record({
    is: fc.constant('checked' as const),
    how: fc.constantFrom('pass', 'pass', 'pass', 'fail', 'lose', 'time'),
    twice: fc.boolean(),
  }),
  fc.record({ is: fc.constant('talked' as const), ok: fc.boolean() }),
  fc.record({ is: fc.constant('talked' as const), ok: fc.constant(true) }),
  fc.record({
    is: fc.constant('pushAnswered' as const),
    as: fc.constantFrom(
      'true' as const,
      'true' as const,
      'refused' as const,
      'unreachable' as const,
      'lost before' as const,
      'lost after' as const,
    ),
  }),
  fc.record({ is: fc.constant('policy' as const), policy: policies }),
  fc.record({ is: fc.constantFrom('move' as const, 'sessionGone' as const, 'silence' as const, 'recorded' as const) }),
  fc.record({ is: fc.constant('wake' as const) }),
  fc.record({ is: fc.constantFrom('reject' as const, 'close' as const), by }),
  fc.record({ is: fc.constant('propose' as const), by, sameFiles: fc.boolean() }),
);

/** Long ones: a merge takes some steps. */
const lives = (lengthMax: number) => fc.array(happening, { maxLength: lengthMax, size: 'max' });

function decision(world: World, principalId: string): ProposalDecision {
  return { by: { id: principalId, name: principalId }, comment: '', headCommit: null, policy: world.state.policy };
}

function happen(world: World, one: Happening): void {
  const { state, underway } = world;
  switch (one.is) {
    case 'approve':
      if (decisions.refuseApproval(state, decision(world, one.by))) break;
      decisions.approved(state, decision(world, one.by), noon);
      world.given.push({ by: one.by, head: state.head?.commit, policy: state.policy.version });
      break;
    case 'merge':
      if (!decisions.refuseMerge(state, decision(world, one.by)))
        decisions.mergeAsked(state, decision(world, one.by), noon);
      break;
    case 'reject':
    case 'close':
      if (!decisions.refuseDecision(state, decision(world, one.by)))
        decisions.endingAsked(state, one.is === 'close' ? 'closed' : 'rejected', decision(world, one.by), noon);
      break;
    case 'propose':
      if (state.final || state.ending || state.pushed !== null) break;
      if (!one.sameFiles) world.heads += 1;
      world.openers.add(one.by);
      candidates.proposedAgain(
        state,
        {
          ...{ requestId: `request-${Math.random()}`, source: source(world.heads), by: { id: one.by, name: '' } },
          ...{ title: null, description: null, policy: state.policy },
        },
        noon,
      );
      underway.preparing = false;
      break;
    case 'prepared':
      if (underway.preparing) prepared(world, one.as);
      break;
    case 'checked': {
      const current = state.checkSession?.current;
      if (!current || !state.checkSession) break;
      const result = { ...exited[one.how]!, reason: null, signal: null, stdoutBytes: 0, stderrBytes: 0 };
      const report = { sessionId: state.checkSession.sessionId, commandId: current.commandId, result };
      if (one.how === 'pass') world.passed.add(`${current.commandId} ${state.candidate?.tree}`);
      checks.checkReported(state, report, noon);
      if (one.twice) checks.checkReported(state, report, noon);
      break;
    }
    case 'policy':
      world.policies += 1;
      candidates.policyChanged(state, { version: world.policies, policy: one.policy }, noon);
      break;
    case 'move':
      world.target += 1;
      break;
    case 'go':
      if (underway.resting && state.trouble) state.trouble.rested = true;
      underway.resting = false;
      if (underway.preparing) prepared(world, 'clean');
      for (let turn = 0; turn < 4; turn++) {
        act(world);
        if (underway.talking) talked(world, true);
      }
      return happen(world, { is: 'checked', how: 'pass', twice: false });
    case 'talked':
      if (underway.talking) talked(world, one.ok);
      if (underway.ending && state.toEnd[0]) checks.sessionEnded(state, state.toEnd[0]);
      underway.ending = false;
      break;
    case 'sessionGone':
      if (state.checkSession) checks.checkSessionGone(state, state.checkSession.sessionId, 'gone', noon);
      break;
    case 'pushAnswered':
      if (underway.pushing) answerPush(world, one.as);
      break;
    case 'silence':
      if (underway.resting && state.trouble) state.trouble.rested = true;
      underway.resting = false;
      if (underway.listening && state.checkSession?.current)
        checks.checkSilent(state, state.checkSession.current.commandId);
      underway.listening = false;
      break;
    case 'wake':
      for (const late of world.late.splice(0)) {
        if (world.fences.has(late.fence) || late.target !== `target-${world.target}`) continue;
        world.fences.add(late.fence);
        world.landed = late.commit;
        world.target += 1;
      }
      break;
    case 'recorded':
      if (underway.recording) {
        state.events = [];
        state.recordedVersion = state.version;
        underway.recording = false;
      }
  }
  act(world);
}

function prepared(world: World, as: string): void {
  const { state, underway, preparing } = world;
  underway.preparing = false;
  const headCommit = `head-${preparing ? world.heads : state.head?.commit.slice(5)}`;
  const target = `target-${world.target}`;
  if (as === 'failed') return candidates.preparationFailed(state, preparing, 'away', noon);
  if (as === 'unfit')
    return candidates.candidatePrepared(
      state,
      preparing,
      { state: 'unfit', headCommit: null, paths: ['a'], detail: '' },
      noon,
    );
  if (as === 'conflicted')
    return candidates.candidatePrepared(
      state,
      preparing,
      { state: 'conflicted', headCommit, target, paths: ['a'], detail: '' },
      noon,
    );
  const tree = `tree-${headCommit}-${target}`;
  const candidate: Candidate = {
    ...{ headCommit, target, tree, filesChanged: 1 },
    checkpoint: { id: 'chk', number: 1, commit: tree, tree },
    bundle: { name: tree, sha256: '', bytes: 1 },
  };
  candidates.candidatePrepared(state, preparing, { state: 'clean', candidate }, noon);
}

let talk: 'start' | 'send' = 'start';
function talked({ state, underway }: World, ok: boolean): void {
  underway.talking = false;
  const { checkSession } = state;
  if (!checkSession) return;
  if (!ok) checks.checkSessionGone(state, checkSession.sessionId, 'gone', noon);
  else if (talk === 'start') checks.checkSessionStarted(state, checkSession.sessionId);
  else if (checkSession.current) checks.checkSent(state, checkSession.current.commandId);
}

let pushing: { settleOnly: boolean; pushed: PushedCommit } | undefined;
function answerPush(world: World, as: string): void {
  const { state, underway } = world;
  underway.pushing = false;
  if (!pushing) return;
  const { settleOnly, pushed } = pushing;
  const { candidate } = pushed;
  const commit = JSON.stringify(pushed);
  const answer = (result: PushResult) => merging.pushAnswered(state, settleOnly, result, noon);
  if (as === 'unreachable') return answer({ state: 'unreachable', detail: 'away' });
  const fence = merging.fenceOf(state);
  if (as === 'lost before') {
    if (!settleOnly) world.late.push({ commit, target: candidate.target, fence });
    return merging.pushFailed(state, 'no answer', noon);
  }
  if (world.landed === null && !settleOnly && as !== 'refused' && candidate.target === `target-${world.target}`) {
    world.landed = commit;
    world.target += 1;
    world.fences.add(fence);
  }
  if (settleOnly) world.fences.add(fence);
  if (as === 'lost after') return merging.pushFailed(state, 'no answer', noon);
  if (world.landed === commit) return answer({ state: 'merged', commit: 'merge', tree: candidate.tree });
  const tip = `target-${world.target}`;
  if (candidate.target !== tip) return answer({ state: 'moved', tip });
  answer({ state: as === 'refused' && !settleOnly ? 'refused' : 'not_pushed', detail: 'no' });
}

function act(world: World): void {
  for (let steps = 0; ; steps++) {
    if (steps > 300) throw new Error('the proposal does not stop taking steps');
    const step = nextProposalStep(world.state, world.underway);
    if (!step || step.do === 'complete') return;
    take(world, step);
  }
}

function take(world: World, step: Exclude<ProposalStep, { do: 'complete' }>): void {
  const { state, underway } = world;
  switch (step.do) {
    case 'prepare':
      world.preparing = state.planned;
      underway.preparing = true;
      return;
    case 'chooseSession':
      return checks.checkSessionChosen(state, `ses-${world.commands++}`, noon);
    case 'startSession':
      talk = 'start';
      underway.talking = true;
      return;
    case 'chooseCheck':
      return checks.checkChosen(state, `cmd-${world.commands++}`, noon);
    case 'send':
      talk = 'send';
      underway.talking = true;
      return;
    case 'listen':
      underway.listening = true;
      return;
    case 'stopListening':
      underway.listening = false;
      return;
    case 'rest':
      underway.resting = true;
      return;
    case 'releaseSession':
      return checks.checkSessionDone(state);
    case 'endSession':
      underway.ending = true;
      return;
    case 'push':
    case 'settle': {
      const settleOnly = step.do === 'settle';
      const pushed = settleOnly ? state.pushed : merging.pushBegun(state);
      if (!pushed) throw new Error('there is nothing to push');
      pushing = { settleOnly, pushed };
      underway.pushing = true;
      if (settleOnly) return;
      const { tree, headCommit: head, target } = pushed.candidate;
      const { requiredChecks } = state.policy.policy;
      world.pushed.push({
        ...{ tree, head, target, approved: approvers(world, head) >= state.policy.policy.requiredApprovals },
        checked: requiredChecks.every((command, index) => {
          const check = state.checks[index];
          return check?.command === command && world.passed.has(`${check.commandId} ${tree}`);
        }),
        asked: state.merge !== null,
      });
      return;
    }
    case 'look':
    case 'leave':
      throw new Error('there is no pull request');
    case 'end':
      return merging.ended(state, noon);
    case 'record':
      underway.recording = true;
  }
}

/** Of this head, under the policy of now, who may. */
function approvers({ given, openers, state }: World, head: string): number {
  const { version, policy } = state.policy;
  const mayApprove = (by: string) => policy.authorMayApprove || (by !== author.id && !openers.has(by));
  const counted = given.filter((one) => one.head === head && one.policy === version && mayApprove(one.by));
  return new Set(counted.map((one) => one.by)).size;
}

function property(check: (world: World) => void, numRuns = 500): void {
  fc.assert(
    fc.property(policies, lives(60), (policy, happenings) => {
      const one = world(policy);
      act(one);
      check(one);
      for (const next of happenings) {
        happen(one, next);
        check(one);
      }
    }),
    { numRuns },
  );
}

describe('any life of a proposal', () => {
  it('pushes nothing that is not checked, approved and asked for', () => {
    let pushes = 0;
    property(({ pushed }) => {
      for (const one of pushed) expect(one).toMatchObject({ approved: true, checked: true, asked: true });
      pushes += pushed.length;
    }, 2_000);
    expect(pushes).toBeGreaterThan(100);
  });

  it('is merged if and only if the remote has it, and then as the tree that was checked', () => {
    let merges = 0;
    property(({ state, landed }) => {
      if (state.final === 'merged') {
        expect(JSON.parse(landed!).candidate).toEqual(state.candidate);
        merges += 1;
      } else if (landed !== null) {
        // It is not forgotten: nothing else is decided before it is known.
        expect(state.final).toBeNull();
        expect(JSON.stringify(state.pushed)).toBe(landed);
      }
    }, 2_000);
    expect(merges).toBeGreaterThan(20);
  });

  it('goes on without a fence where the remote takes none, also when that is found out in settling', () => {
    const one = world({ requiredApprovals: 0, authorMayApprove: false, requiredChecks: [], mergeMethod: 'merge' });
    const { state } = one;
    act(one);
    happen(one, { is: 'prepared', as: 'clean' });
    happen(one, { is: 'merge', by: 'prn_one' });
    expect(merging.fenceOf(state)).toBe('refs/worktrail/merges/ppl/1');
    const pushed = { ...state.pushed };
    merging.pushAnswered(state, true, { state: 'unfenced', detail: 'no' }, noon);
    expect([state.pushed, merging.fenceOf(state)]).toEqual([pushed, null]);
    merging.pushAnswered(state, false, { state: 'unfenced', detail: 'no' }, noon);
    expect([state.pushed, merging.mayPush(state), state.trouble]).toEqual([null, true, null]);
  });

  it('stays what it has ended as', () => {
    fc.assert(
      fc.property(policies, lives(80), (policy, happenings) => {
        const one = world(policy);
        act(one);
        let over: unknown;
        for (const next of happenings) {
          happen(one, next);
          const { final, mergeCommit, approvals } = one.state;
          if (over) expect({ final, mergeCommit, approvals: approvals.length }).toEqual(over);
          else if (final) over = { final, mergeCommit, approvals: approvals.length };
        }
      }),
      { numRuns: 500 },
    );
  });

  it('has approvals of the present head only, each of a principal who may, once', () => {
    property(({ state }) => {
      const { approvals, head } = state;
      expect(new Set(approvals.map((one) => one.by)).size).toBe(approvals.length);
      for (const one of approvals) expect(one.headCommit).toBe(head?.commit);
    });
  });

  it('keeps a state that survives JSON, and a document that names what it needs', () => {
    property(({ state }) => {
      if (Math.random() < 0.05) expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      const { artifacts, state: is, detail } = proposalDocument(state);
      // What is told of a check is of the checks of now.
      if (detail?.startsWith('a check ended')) expect(is).toBe('checks_failed');
      if (!state.final && state.kept) expect(artifacts).toContain(state.kept.bundle.name);
      expect(is).toBe(publicState(state));
    });
  });

  it('lets go of each session that its checks were run in', () => {
    fc.assert(
      fc.property(policies, lives(60), (policy, happenings) => {
        const one = world(policy);
        act(one);
        for (const next of happenings) happen(one, next);
        // Whatever is under way comes to an end, and the target stands still.
        happen(one, { is: 'close', by: 'prn_one' });
        for (let turn = 0; turn < 200 && !isDone(one); turn++) {
          happen(one, { is: 'silence' });
          happen(one, { is: 'pushAnswered', as: 'true' });
          happen(one, { is: 'talked', ok: true });
          happen(one, { is: 'recorded' });
        }
        expect(one.state.final).not.toBeNull();
        expect(one.state.toEnd).toEqual([]);
        expect(one.state.checkSession?.started ?? false).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('says also in the end where each of its checks ran, and why it is no more', () => {
    let checked = 0;
    property(({ state }) => {
      const { checks: shown, checkSessionId, detail } = proposalDocument(state);
      if (shown.some(({ commandId }) => commandId !== null)) expect(checkSessionId).not.toBeNull();
      if (state.final && checkSessionId) checked += 1;
      if (state.final === 'merged') expect(detail).toBeNull();
      else if (state.final) expect(detail).toMatch(/^(rejected|closed) by prn_/);
    });
    expect(checked).toBeGreaterThan(100);
  });

  it('is merged in the end, once the policy holds, the merge was asked for and the target stands still', () => {
    fc.assert(
      fc.property(policies, lives(40), (policy, happenings) => {
        const one = world(policy);
        act(one);
        for (const next of happenings) happen(one, next);
        for (let turn = 0; turn < 2; turn++) {
          happen(one, { is: 'pushAnswered', as: 'true' });
          happen(one, { is: 'silence' });
        }
        happen(one, { is: 'pushAnswered', as: 'true' });
        if (one.state.final || one.state.ending) return;
        if (one.state.final) return;
        happen(one, { is: 'propose', by: 'prn_opener', sameFiles: false });
        happen(one, { is: 'policy', policy: { ...policy, requiredApprovals: 1, authorMayApprove: true } });
        for (let turn = 0; turn < 100 && !one.state.final; turn++) {
          for (const is of [
            'silence',
            'prepared',
            'talked',
            'checked',
            'pushAnswered',
            'recorded',
            'approve',
            'merge',
          ] as const) {
            if (is === 'prepared') happen(one, { is, as: 'clean' });
            else if (is === 'talked') happen(one, { is, ok: true });
            else if (is === 'checked') happen(one, { is, how: 'pass', twice: true });
            else if (is === 'pushAnswered') happen(one, { is, as: 'true' });
            else if (is === 'recorded' || is === 'silence') happen(one, { is });
            else happen(one, { is, by: 'prn_one' });
          }
        }
        expect(one.state.final).toBe('merged');
      }),
      { numRuns: 1_000 },
    );
  });
});

function isDone({ state, underway }: World): boolean {
  return state.final !== null && state.toEnd.length === 0 && !Object.values(underway).some(Boolean);
}
