// The candidate of a proposal: its head merged with the newest commit of the target branch, and stored.
//
// 1. The merge is made in a bare repository: no work tree, no driver, filter or hook of anybody's.
// 2. It is answered once its bundle is stored for certain: from that alone it can be checked, merged anew with another target, and pushed.
// 3. A head that is merged again with a target that has moved is the same commit.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import { isId } from '@worktrail/contract/ids';
import type { PrepareCandidateInput, PreparedCandidate } from '@worktrail/contract/proposal-activities';
import { shownPath } from '../checkpoints/shown-path.ts';
import { GitFailed, type StoreGit } from '../checkpoints/store-git.ts';
import type { RepositoryMirrors, Upstream } from '../repositories/repository-mirror.ts';
import { keepCheckFiles } from './check-files.ts';
import { hasConflicts, makeHead, missingFiles, readManifest } from './head-commit.ts';
import { makeCommit, treeOf } from './proposal-commit.ts';
import { type ProposalStore, type ProposalStoreDeps, withProposalStore } from './proposal-store.ts';

export interface CandidateDeps extends ProposalStoreDeps {
  mirrors: RepositoryMirrors;
}

const pathsMax = 100;
const mergeOutputBytesMax = 32 * 1024 ** 2;

/** @throws SessionFailure, CheckpointMissing, ArtifactMissing, ArtifactCorrupt */
export async function prepareCandidate(
  deps: CandidateDeps,
  input: PrepareCandidateInput,
  signal: AbortSignal,
): Promise<PreparedCandidate> {
  const { from, organizationId, projectId, repository } = input;
  const request = { organizationId, projectId, repository };
  const upstream = await deps.mirrors.sync({ ...request, baseRef: null });
  // What the bundles build on may be upstream's no more.
  const commit = from.kind === 'session' ? from.baseCommit : from.candidate.target;
  await deps.mirrors.provide(request, commit);
  const bundles = from.kind === 'session' ? from.bundles : [from.candidate.bundle];
  const of = { upstreamObjects: upstream.objectsPath, commit, bundles };
  return withProposalStore(deps, of, signal, async (store) => {
    const { checkpoint } = from.kind === 'session' ? from : from.candidate;
    const manifest = await readManifest(store, checkpoint, signal);
    if (from.kind === 'candidate') return merge(deps, store, upstream, from.candidate.headCommit, input, signal);
    const paths = await missingFiles(store, manifest, signal);
    if (paths.length > 0) {
      const detail =
        'files of the work tree are in no checkpoint: too large, unreadable, being written, or of a name git does not take';
      return { state: 'unfit', headCommit: null, paths, detail };
    }
    if (await hasConflicts(store, manifest, signal)) {
      const detail =
        'the session has conflicts that are not resolved: resolve and git add what git status names, and put it up again';
      return { state: 'unfit', headCommit: null, paths: [], detail };
    }
    return merge(deps, store, upstream, await makeHead(store, manifest, input, signal), input, signal);
  });
}

async function merge(
  deps: CandidateDeps,
  store: ProposalStore,
  upstream: Upstream,
  headCommit: string,
  input: PrepareCandidateInput,
  signal: AbortSignal,
): Promise<PreparedCandidate> {
  const { git } = store;
  const target = upstream.defaultCommit;
  const merged = await mergeTrees(git, target, headCommit, upstream.defaultBranch, signal);
  if (!('tree' in merged)) return { state: 'conflicted', headCommit, target, ...merged };
  const { tree } = merged;
  if (tree === (await treeOf(git, target, signal))) {
    const detail = `it changes nothing of ${upstream.defaultBranch}`;
    return { state: 'unfit', headCommit, paths: [], detail };
  }
  const { at, head, branch, checkpointId } = input;
  const parts = { tree, parents: [target, headCommit], author: head.author, at };
  const commit = await makeCommit(git, { ...parts, message: `Merge of ${input.proposalId}, to be checked` }, signal);
  const files = { checkpointId, branch, commit, tree, createdMs: Date.parse(at) };
  const checkpoint = await keepCheckFiles(store, upstream, files, signal);
  const bundle = await storeBundle(deps, store, target, input, signal);
  const filesChanged = await countChanged(git, target, commit, signal);
  return { state: 'clean', candidate: { headCommit, target, tree, filesChanged, checkpoint, bundle } };
}

type Merged = { tree: string } | { paths: string[]; detail: string };

/** Judged by git's exit status: 0 is clean, 1 is conflicts. */
async function mergeTrees(
  git: StoreGit,
  target: string,
  head: string,
  branch: string,
  signal: AbortSignal,
): Promise<Merged> {
  const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', target, head];
  try {
    const printed = await git(args, { signal, stdoutBytesMax: mergeOutputBytesMax });
    return { tree: printed.toString('latin1').replace(/[\0\n].*$/s, '') };
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    if (error.exitCode === 1) {
      const detail = `it and ${branch} have both changed the same: update the session from ${branch}, resolve it there, and put it up again`;
      return { paths: conflictingPaths(error.stdout), detail };
    }
    if (/unrelated histories/.test(error.message))
      return { paths: [], detail: `its history is unrelated to that of ${branch}` };
    throw error;
  }
}

/** After the tree: names, each ended by NUL, up to an empty one. */
function conflictingPaths(printed: Buffer): string[] {
  const paths: string[] = [];
  for (let start = printed.indexOf(0) + 1; start < printed.length && paths.length < pathsMax; ) {
    const end = printed.indexOf(0, start);
    if (end <= start) break;
    const path = shownPath(printed.subarray(start, end));
    if (path !== paths.at(-1)) paths.push(path);
    start = end + 1;
  }
  return paths;
}

async function storeBundle(
  { artifacts }: CandidateDeps,
  store: ProposalStore,
  target: string,
  { organizationId, sessionId, proposalId }: PrepareCandidateInput,
  signal: AbortSignal,
): Promise<StoredArtifact> {
  if (!isId(proposalId, 'proposal')) throw new Error('malformed proposal id');
  const path = join(store.scratch, 'candidate.bundle');
  await store.writeBundle(path, 1, true, target, signal);
  const digest = createHash('sha256');
  await pipeline(createReadStream(path), digest, { signal });
  const content = digest.digest('hex').slice(0, 16);
  return artifacts.put(`${organizationId}/${sessionId}/proposal-g0-${proposalId}-${content}`, path, signal);
}

async function countChanged(git: StoreGit, from: string, to: string, signal: AbortSignal): Promise<number> {
  const said = await git(['diff-tree', '-r', '--no-renames', '--shortstat', from, to], { signal });
  return Number(/^\s*(\d+) files? changed/.exec(said.toString())?.[1] ?? 0);
}
