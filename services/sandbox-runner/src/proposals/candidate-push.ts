// Brings a candidate that was checked and approved to its target branch.
//
// 1. The tree that lands is the candidate's. The push is a compare-and-swap: it takes effect only where the target is the commit that the
//    candidate was merged with.
// 2. The commit is a function of the input: a push whose answer was lost is settled by looking whether the target's history has it,
//    and tried again it is the same push.
// 3. What is answered of the target was read after the push.

import type { PushCandidateInput, PushResult } from '@worktrail/contract/proposal-activities';
import { GitFailed, type StoreGit } from '../checkpoints/store-git.ts';
import type { RepositoryMirrors, Upstream } from '../repositories/repository-mirror.ts';
import { redact } from '../repositories/repository-url.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { readManifest } from './head-commit.ts';
import { mergeMessage } from './merge-message.ts';
import { makeCommit, treeOf } from './proposal-commit.ts';
import { type ProposalStore, type ProposalStoreDeps, withProposalStore } from './proposal-store.ts';

export interface PushDeps extends ProposalStoreDeps {
  mirrors: Pick<RepositoryMirrors, 'sync' | 'provide' | 'push'>;
}

const detailLengthMax = 500;
const asItWas = { state: 'not_pushed', detail: 'the target is as it was' } as const;

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
  if (input.settleOnly && upstream.defaultCommit === candidate.target) return asItWas;
  await deps.mirrors.provide(request, candidate.target);
  const of = { upstreamObjects: upstream.objectsPath, commit: candidate.target, bundles: [candidate.bundle] };
  return withProposalStore(deps, of, signal, async (store) => {
    const commit = await makeMerge(store, input, signal);
    const before = await settle(store, upstream.defaultCommit, input, commit, signal);
    if (before.state !== 'not_pushed' || input.settleOnly) return before;
    const refusal = await push(deps, store, input, commit);
    // Read anew: the remote's word counts, not that of the push.
    const { defaultCommit } = await deps.mirrors.sync({ ...request, baseRef: null });
    const after = await settle(store, defaultCommit, input, commit, signal);
    if (after.state !== 'not_pushed') return after;
    if (refusal === undefined) throw new Error('the remote has taken the push, and does not show it');
    return { state: 'refused', detail: refusal };
  });
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
): Promise<Exclude<PushResult, { state: 'refused' | 'unreachable' }>> {
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
  { repository, candidate, organizationId, projectId }: PushCandidateInput,
  commit: string,
): Promise<string | undefined> {
  const request = { organizationId, projectId, repository };
  try {
    await mirrors.push(request, store.path, { commit, expected: candidate.target });
    return undefined;
  } catch (error) {
    return refusalOf(error, repository.defaultBranch);
  }
}

/** Why the remote has refused a push to this branch. @throws when it is not known whether it was pushed. */
export function refusalOf(error: unknown, branch: string): string {
  const said = redact(String((error as Error).message ?? error));
  if (/checked out/.test(said)) {
    return (
      `${branch} is checked out in the repository, which refuses a push to it: ` +
      'check out another branch there, or use a bare repository'
    );
  }
  const line = /^!.*$/m.exec(said)?.[0] ?? /^.*\[(?:remote )?rejected\].*$/m.exec(said)?.[0];
  if (line === undefined) throw new Error(`the push did not end well: ${lastLine(said)}`, { cause: error });
  const remote = said.match(/^remote: .*$/gm)?.join(' ') ?? '';
  return `${line.replaceAll(/[\t\s]+/g, ' ')} ${remote}`.trim().slice(0, detailLengthMax);
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split(/[\r\n]+/)
      .at(-1)
      ?.slice(0, detailLengthMax) ?? ''
  );
}
