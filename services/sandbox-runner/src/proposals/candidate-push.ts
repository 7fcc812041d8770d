// Brings a candidate that was checked and approved to its target branch.
//
// 1. The tree that lands is the candidate's. The push is a compare-and-swap: it takes effect only where the target is the commit that the
//    candidate was merged with.
// 2. The commit is a function of the input: a push whose answer was lost is settled by looking whether the target's history has it,
//    and tried again it is the same push.
// 3. What is answered of the target was read after the push.
// 4. A push makes its fence in one with the target's change. Whoever settles makes the fence, at another commit: either it is there, and
//    the push has landed or was fenced off before, or it was not, and the push comes to nothing however late it arrives.

import type { PushCandidateInput, PushResult } from '@worktrail/contract/proposal-activities';
import { GitFailed, type StoreGit } from '../checkpoints/store-git.ts';
import type { RepositoryMirrors, Upstream } from '../repositories/repository-mirror.ts';
import { redact } from '../repositories/repository-url.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { readManifest } from './head-commit.ts';
import { mergeMessage } from './merge-message.ts';
import { makeCommit, treeOf } from './proposal-commit.ts';
import { type ProposalStore, type ProposalStoreDeps, withProposalStore } from './proposal-store.ts';
import { isThere, readRefusal, type Refusal } from './push-refusal.ts';

export interface PushDeps extends ProposalStoreDeps {
  mirrors: Pick<RepositoryMirrors, 'sync' | 'provide' | 'push'>;
}

type Settled = Exclude<PushResult, { state: 'unreachable' } | { state: 'unfenced' }>;

const detailLengthMax = 500;
const asItWas: Settled = { state: 'not_pushed', detail: 'the target is as it was' };

export async function pushCandidate(
  deps: PushDeps,
  input: PushCandidateInput,
  signal: AbortSignal,
): Promise<PushResult> {
  const { candidate, organizationId, projectId, repository } = input;
  const request = { organizationId, projectId, repository };
  let upstream: Upstream;
  try {
    upstream = await deps.mirrors.sync({ ...request, baseRef: null });
  } catch (error) {
    if (!(error instanceof SessionFailure)) throw error;
    return { state: 'unreachable', detail: error.message };
  }
  if (input.settleOnly && !input.fence && upstream.defaultCommit === candidate.target) return asItWas;
  await deps.mirrors.provide(request, candidate.target);
  const of = { upstreamObjects: upstream.objectsPath, commit: candidate.target, bundles: [candidate.bundle] };
  return withProposalStore(deps, of, signal, async (store) => {
    const commit = await makeMerge(store, input, signal);
    const before = await settle(store, upstream.defaultCommit, input, commit, signal);
    const isKnown = before.state === 'merged' || (input.settleOnly ? !input.fence : before.state === 'moved');
    if (isKnown) return await known(deps, store, input, before);
    const refusal = await (input.settleOnly ? fenceOff(deps, store, input) : push(deps, store, input, commit));
    // Read anew: the remote's word counts, not that of the push.
    const { defaultCommit } = await deps.mirrors.sync({ ...request, baseRef: null });
    const after = await settle(store, defaultCommit, input, commit, signal);
    if (refusal?.state === 'unfenced' && after.state !== 'merged') return refusal;
    if (after.state !== 'not_pushed' || input.settleOnly) return await known(deps, store, input, after);
    if (refusal === undefined) throw new Error('the remote has taken the push, and does not show it');
    return refusal;
  });
}

const targetRef = ({ repository }: PushCandidateInput) => `refs/heads/${repository.defaultBranch}`;

/** At a commit that upstream has, and that the push would not have made. @throws when it is not known whether it is there. */
async function fenceOff(
  { mirrors }: PushDeps,
  store: ProposalStore,
  input: PushCandidateInput,
): Promise<Refusal | undefined> {
  const { fence, candidate } = input;
  if (!fence) return undefined;
  try {
    const change = { ref: fence, expected: null, commit: candidate.target };
    await mirrors.push(input, store.path, [change], { atomic: true });
    return undefined;
  } catch (error) {
    const said = redact(String((error as Error).message ?? error));
    if (isThere(said, fence)) return undefined;
    const refusal = readRefusal(said, targetRef(input), fence);
    if (refusal?.state === 'unfenced') return refusal;
    throw new Error(`the push could not be fenced off: ${lastLine(said)}`, { cause: error });
  }
}

/** Nothing can come of a push that has landed any more: its fence goes. Where it stays it is small, and hurts nobody. */
async function known(
  { mirrors }: PushDeps,
  store: ProposalStore,
  input: PushCandidateInput,
  result: Settled,
): Promise<Settled> {
  if (result.state === 'merged' && input.fence) {
    const change = { ref: input.fence, expected: result.commit, commit: null };
    await mirrors.push(input, store.path, [change], { atomic: false }).catch(() => {});
  }
  return result;
}

async function makeMerge(store: ProposalStore, input: PushCandidateInput, signal: AbortSignal): Promise<string> {
  const { candidate, method, author, at } = input;
  const manifest = await readManifest(store, candidate.checkpoint, signal);
  if (manifest.tree !== candidate.tree) throw new Error('the candidate is not the tree that was checked');
  const parents = method === 'merge' ? [candidate.target, candidate.headCommit] : [candidate.target];
  return makeCommit(store.git, { tree: candidate.tree, parents, message: mergeMessage(input), author, at }, signal);
}

/** What the target says of the commit. */
async function settle(
  { git }: ProposalStore,
  tip: string,
  { candidate }: PushCandidateInput,
  commit: string,
  signal: AbortSignal,
): Promise<Settled> {
  if (tip === candidate.target) return asItWas;
  if (!(await isWithin(git, commit, tip, signal))) return { state: 'moved', tip };
  const tree = await treeOf(git, commit, signal);
  if (tree !== candidate.tree) throw new Error('what was merged is not the tree that was checked');
  return { state: 'merged', commit, tree };
}

async function isWithin(git: StoreGit, commit: string, tip: string, signal: AbortSignal): Promise<boolean> {
  try {
    await git(['merge-base', '--is-ancestor', commit, tip], { signal });
    return true;
  } catch (error) {
    if (error instanceof GitFailed && error.exitCode === 1) return false;
    throw error;
  }
}

/** Why the remote refuses; undefined when it does not. @throws when it is not known whether it was pushed. */
async function push(
  { mirrors }: PushDeps,
  store: ProposalStore,
  input: PushCandidateInput,
  commit: string,
): Promise<Refusal | undefined> {
  const { candidate, fence, repository } = input;
  const target = { ref: targetRef(input), expected: candidate.target, commit };
  try {
    const changes = fence ? [target, { ref: fence, expected: null, commit }] : [target];
    await mirrors.push(input, store.path, changes, { atomic: fence !== null });
    return undefined;
  } catch (error) {
    const said = redact(String((error as Error).message ?? error));
    const refusal = readRefusal(said, target.ref, fence);
    if (!refusal) throw new Error(`the push did not end well: ${lastLine(said)}`, { cause: error });
    if (refusal.state === 'unfenced' || !/checked out/.test(said)) return refusal;
    const detail =
      `${repository.defaultBranch} is checked out in the repository, which refuses a push to it: ` +
      'check out another branch there, or use a bare repository';
    return { state: 'refused', detail };
  }
}

export function lastLine(text: string): string {
  return (
    text
      .trim()
      .split(/[\r\n]+/)
      .at(-1)
      ?.slice(0, detailLengthMax) ?? ''
  );
}
