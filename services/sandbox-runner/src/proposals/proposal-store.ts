// A bare repository for the time of one piece of work on a proposal, borrowing from the upstream's mirror and filled from bundles.
//
// Nothing is kept between two pieces of work: any runner does the next. What a runner that died left goes when it starts again.

import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { openSessionStore, type SessionStore } from '../checkpoints/session-store.ts';
import { requireDiskSpace } from '../host/disk-space.ts';
import type { StartProgram } from '../host/program-start.ts';
import { removeTree } from '../host/remove-tree.ts';

export interface ProposalStoreDeps {
  start: StartProgram;
  /** Nobody else writes there. */
  directory: string;
  artifacts: ArtifactStore;
  diskReserveBytes: number;
}

export interface ProposalStore extends SessionStore {
  /** The repository's own directory. */
  readonly path: string;
  /** For files; not the repository. */
  readonly scratch: string;
}

export async function clearProposalStores({ directory }: Pick<ProposalStoreDeps, 'directory'>): Promise<void> {
  await removeTree(directory);
}

/** `commit`: one that the mirror has. */
export async function withProposalStore<T>(
  { start, directory, artifacts, diskReserveBytes }: ProposalStoreDeps,
  of: { upstreamObjects: string; commit: string; bundles: readonly StoredArtifact[] },
  signal: AbortSignal,
  work: (store: ProposalStore) => Promise<T>,
): Promise<T> {
  const scratch = join(directory, randomUUID());
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  try {
    const { upstreamObjects, commit: baseCommit } = of;
    const store = await openSessionStore({ start, sessionPath: scratch, upstreamObjects, baseCommit }, signal);
    const fetched = join(scratch, 'fetched.bundle');
    for (const bundle of of.bundles) {
      await requireDiskSpace([scratch], diskReserveBytes + 2 * bundle.bytes);
      await artifacts.get(bundle, fetched, signal);
      await store.ingestBundle(fetched, signal);
      await rm(fetched, { force: true });
    }
    return await work({ ...store, path: join(scratch, 'store.git'), scratch });
  } finally {
    await removeTree(scratch);
  }
}
