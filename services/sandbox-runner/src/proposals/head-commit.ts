// The head of a proposal: a session's work tree, as its newest checkpoint holds it, as a commit on what the session's HEAD was.
//
// Where nothing was changed since that commit, it is the head itself.

import type { CheckpointRef } from '@worktrail/contract/checkpoints';
import type { PrepareCandidateInput } from '@worktrail/contract/proposal-activities';
import { CheckpointMissing } from '../checkpoints/checkpoint-engine.ts';
import { readLeftOut } from '../checkpoints/left-out.ts';
import { checkObjects, type Manifest, type SessionStore } from '../checkpoints/session-store.ts';
import { shownPath } from '../checkpoints/shown-path.ts';
import { treeToCommit } from './line-endings.ts';
import { makeCommit, treeOf } from './proposal-commit.ts';
import type { ProposalStore } from './proposal-store.ts';

const leftOutBytesMax = 1_048_576;
const pathsMax = 100;
/** Files of the work tree that are in no checkpoint: a merge would delete them, or be without them. */
const neededKinds = ['large', 'unreadable', 'changing'];

export async function readManifest(
  store: SessionStore,
  checkpoint: CheckpointRef,
  signal: AbortSignal,
): Promise<Manifest> {
  const manifest = await store.read(checkpoint.number, signal);
  const { id, commit, tree } = checkpoint;
  if (manifest?.checkpointId === id && manifest.commit === commit && manifest.tree === tree) return manifest;
  throw new CheckpointMissing(`checkpoint ${checkpoint.number} (${id}) is not in the bundles`);
}

/** Paths of files that the checkpoint is without although they are part of the work tree. */
export async function missingFiles(store: SessionStore, manifest: Manifest, signal: AbortSignal): Promise<string[]> {
  const [found] = await checkObjects(store.git, [`${manifest.carrier}:left-out`], signal);
  if (found?.type !== 'blob') return [];
  const options = { signal, stdoutBytesMax: leftOutBytesMax, stdoutCut: true };
  const byKind = readLeftOut(await store.git(['cat-file', 'blob', found.id], options));
  return neededKinds
    .flatMap((kind) => byKind.get(kind) ?? [])
    .map(({ path }) => shownPath(path))
    .slice(0, pathsMax);
}

/** Its index has conflicts: what lies in the work tree is nobody's decision yet, markers and all. */
export async function hasConflicts(store: SessionStore, manifest: Manifest, signal: AbortSignal): Promise<boolean> {
  const [found] = await checkObjects(store.git, [`${manifest.carrier}:unmerged`], signal);
  return found?.type === 'tree';
}

export async function makeHead(
  store: ProposalStore,
  manifest: Manifest,
  { head, before, sessionId, proposalId }: Pick<PrepareCandidateInput, 'head' | 'before' | 'sessionId' | 'proposalId'>,
  signal: AbortSignal,
): Promise<string> {
  const { git } = store;
  const [own] =
    manifest.headCommit === null ? [] : await checkObjects(git, [`${manifest.headCommit}^{commit}`], signal);
  const parent = own?.id ?? manifest.baseCommit;
  const tree = await treeToCommit(store, parent, manifest.tree, signal);
  if ((await treeOf(git, parent, signal)) === tree) return parent;
  const make = ({ title, author, at }: typeof head) => {
    const message = `${title}\n\nWorktrail-Session: ${sessionId}\nWorktrail-Proposal: ${proposalId}`;
    return makeCommit(git, { tree, parents: [parent], message, author, at }, signal);
  };
  if (before !== null && (await make(before)) === before.commit) return before.commit;
  return make(head);
}
