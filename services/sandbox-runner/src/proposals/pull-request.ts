// A proposal as a pull request on the host of its remote.
//
// 1. Its head is pushed to a branch of its own, by compare-and-swap: what somebody else has put there is never overwritten or deleted.
// 2. Whatever an attempt before has left is found again, by its branch: no second pull request is opened for one proposal.
// 3. What is said to be merged is read from the target branch.
// 4. The project's token goes to the host's API and nowhere else: not into an answer, an error or a log.

import { dirname } from 'node:path';
import type {
  ClosePullRequestInput,
  ClosePullRequestResult,
  OpenPullRequestInput,
  OpenPullRequestResult,
  ReadPullRequestInput,
  ReadPullRequestResult,
  SeenPullRequest,
  UnknownPullRequest,
} from '@worktrail/contract/proposal-activities';
import { NoPullRequests, pullRequestApi } from '@worktrail/runtime/pull-request-host';
import { type Fetch, HostFailure } from '../pull-requests/host-fetch.ts';
import { createPullRequests } from '../pull-requests/create-pull-requests.ts';
import type { HostedPullRequest, PullRequests } from '../pull-requests/pull-requests.ts';
import type { RemoteCredentials } from '../repositories/remote-credentials.ts';
import type { RefChange, RepositoryMirrors } from '../repositories/repository-mirror.ts';
import { redact } from '../repositories/repository-url.ts';
import { SessionFailure } from '../sessions/session-failure.ts';
import { lastLine } from './candidate-push.ts';
import { pullRequestText } from './merge-message.ts';
import { type ProposalStoreDeps, withProposalStore } from './proposal-store.ts';
import { readRefusal } from './push-refusal.ts';

export interface PullRequestDeps extends ProposalStoreDeps {
  mirrors: Pick<RepositoryMirrors, 'sync' | 'provide' | 'branchTip' | 'landedTree' | 'push'>;
  credentials: Pick<RemoteCredentials, 'find'>;
  fetch: Fetch;
}

export async function openPullRequest(
  deps: PullRequestDeps,
  input: OpenPullRequestInput,
  signal: AbortSignal,
): Promise<OpenPullRequestResult> {
  const result = await unlessHostFails(async (): Promise<Known> => {
    const host = await openHost(deps, input, signal);
    const { defaultCommit } = await sync(deps, input);
    const found = await find(host, input);
    // It is over, whatever was to be pushed.
    if (found && found.state !== 'open') return opened(deps, input, found);
    if (input.settleOnly) return settled(deps, input, found);
    if (defaultCommit !== input.candidate.target) return { state: 'moved', tip: defaultCommit };
    const detail = await pushHead(deps, input, signal);
    if (detail !== undefined) return { state: 'refused', detail };
    return opened(deps, input, await putUp(host, input, found));
  });
  if (result.state !== 'unknown') return result;
  const { isFinal, detail, retryAfterMs } = result;
  return isFinal ? { state: 'refused', detail } : { state: 'unknown', detail, retryAfterMs };
}

export async function readPullRequest(
  deps: PullRequestDeps,
  input: ReadPullRequestInput,
  signal: AbortSignal,
): Promise<ReadPullRequestResult> {
  return unlessHostFails(async () => {
    const host = await openHost(deps, input, signal);
    const pullRequest = await withTree(deps, input, await host.read(input.number));
    return { state: 'seen', pullRequest };
  });
}

export async function closePullRequest(
  deps: PullRequestDeps,
  input: ClosePullRequestInput,
  signal: AbortSignal,
): Promise<ClosePullRequestResult> {
  return unlessHostFails(async () => {
    const host = await openHost(deps, input, signal);
    const found = await find(host, input);
    const left = found?.state === 'open' ? await host.close(found.number) : found;
    const pullRequest = left ? await withTree(deps, input, left) : null;
    await deleteBranch(deps, input);
    return { state: 'left', pullRequest };
  });
}

type Known = Exclude<OpenPullRequestResult, { state: 'unknown' }>;
type Input = OpenPullRequestInput | ReadPullRequestInput | ClosePullRequestInput;

/** @throws HostFailure where the project has no access to any. */
async function openHost(deps: PullRequestDeps, input: Input, signal: AbortSignal): Promise<PullRequests> {
  const { projectId, repository, settings } = input;
  try {
    const api = pullRequestApi(repository.url, settings);
    const credential = await deps.credentials.find(projectId, repository.url);
    if (credential?.kind === 'token') {
      return createPullRequests(api, { token: credential.token, fetch: deps.fetch, signal });
    }
    const { origin } = new URL(repository.url);
    throw new HostFailure(`the project has no token for ${origin}: set its credential`, { isFinal: true });
  } catch (error) {
    if (error instanceof NoPullRequests) throw new HostFailure(`${error.path} ${error.message}`, { isFinal: true });
    throw error;
  }
}

async function unlessHostFails<T>(work: () => Promise<T>): Promise<T | UnknownPullRequest> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HostFailure) {
      const { message: detail, isFinal, retryAfterMs } = error;
      return { state: 'unknown', detail, isFinal, retryAfterMs };
    }
    if (error instanceof SessionFailure) {
      return { state: 'unknown', detail: error.message, isFinal: false, retryAfterMs: null };
    }
    throw error;
  }
}

function requestOf({ organizationId, projectId, repository }: Input) {
  return { organizationId, projectId, repository };
}

const sync = ({ mirrors }: PullRequestDeps, input: Input) => mirrors.sync({ ...requestOf(input), baseRef: null });

const find = (host: PullRequests, { number, branch }: OpenPullRequestInput | ClosePullRequestInput) =>
  number === null ? host.findByBranch(branch) : host.read(number);

async function opened(deps: PullRequestDeps, input: Input, found: HostedPullRequest): Promise<Known> {
  return { state: 'opened', pullRequest: await withTree(deps, input, found) };
}

/** One that was known before shows by its head whether there was a push to it. */
async function settled(
  deps: PullRequestDeps,
  input: OpenPullRequestInput,
  found: HostedPullRequest | undefined,
): Promise<Known> {
  const { number, candidate } = input;
  if (found && (number === null || found.headCommit === candidate.headCommit)) return opened(deps, input, found);
  return { state: 'not_pushed', detail: 'there is no pull request of it' };
}

/** Why it cannot be pushed. @throws when it is not known whether it was pushed. */
async function pushHead(
  deps: PullRequestDeps,
  input: OpenPullRequestInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { branch, commits, candidate } = input;
  const { headCommit: commit, target } = candidate;
  const request = requestOf(input);
  const tip = await deps.mirrors.branchTip(request, branch);
  if (tip === commit) return undefined;
  if (tip !== undefined && !commits.includes(tip))
    return `${branch} of the remote is at ${tip}, which somebody else put there`;
  const { objectsPath: upstreamObjects } = await deps.mirrors.provide(request, target);
  const of = { upstreamObjects, commit: target, bundles: [candidate.bundle] };
  return withProposalStore(deps, of, signal, async ({ path }) => {
    return pushBranch(deps, input, path, { expected: tip ?? null, commit });
  });
}

/** Why the remote refuses; undefined when it does not. @throws when it is not known whether it was pushed. */
async function pushBranch(
  { mirrors }: PullRequestDeps,
  input: OpenPullRequestInput | ClosePullRequestInput,
  from: string,
  change: Pick<RefChange, 'expected' | 'commit'>,
): Promise<string | undefined> {
  const { branch, repository } = input;
  if (branch === repository.defaultBranch) throw new Error('the target is not for pull requests to change');
  const ref = `refs/heads/${branch}`;
  try {
    await mirrors.push(requestOf(input), from, [{ ref, ...change }], { atomic: false });
    return undefined;
  } catch (error) {
    const said = redact(String((error as Error).message ?? error));
    const refusal = readRefusal(said, ref, null);
    if (!refusal) throw new Error(`the push did not end well: ${lastLine(said)}`, { cause: error });
    return refusal.detail;
  }
}

async function putUp(
  host: PullRequests,
  input: OpenPullRequestInput,
  found: HostedPullRequest | undefined,
): Promise<HostedPullRequest> {
  const text = pullRequestText(input);
  if (found) return host.update(found.number, text);
  const { branch, repository } = input;
  try {
    return await host.open({ ...text, branch, targetBranch: repository.defaultBranch });
  } catch (error) {
    // Another attempt may have been faster.
    const other = error instanceof HostFailure && error.isFinal && (await host.findByBranch(branch));
    if (!other) throw error;
    return other;
  }
}

async function withTree(deps: PullRequestDeps, input: Input, found: HostedPullRequest): Promise<SeenPullRequest> {
  const { mergeCommit, targetBranch } = found;
  if (mergeCommit === null || targetBranch !== input.repository.defaultBranch) return { ...found, mergedTree: null };
  await sync(deps, input);
  return { ...found, mergedTree: (await deps.mirrors.landedTree(requestOf(input), mergeCommit)) ?? null };
}

/** A branch that is not ours alone stays, and so does one that the remote does not let go. */
async function deleteBranch(deps: PullRequestDeps, input: ClosePullRequestInput): Promise<void> {
  const { branch, commits } = input;
  const { objectsPath } = await sync(deps, input);
  const tip = await deps.mirrors.branchTip(requestOf(input), branch);
  if (tip === undefined || !commits.includes(tip)) return;
  await pushBranch(deps, input, dirname(objectsPath), { expected: tip, commit: null });
}
