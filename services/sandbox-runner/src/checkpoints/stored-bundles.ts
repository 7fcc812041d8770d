// How what the artifact store has of a session comes into a store of it on this host.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import type { ArtifactStore } from '../artifacts/artifact-store.ts';
import { requireDiskSpace } from '../host/disk-space.ts';
import type { SessionStore } from './session-store.ts';

export interface BundleDeps {
  artifacts: Pick<ArtifactStore, 'get'>;
  diskReserveBytes: number;
}

/** Of the artifacts that a session's document names, in the order in which they build on each other. */
export function bundlesAmong(artifacts: readonly string[]): string[] {
  return artifacts.filter((name) => /\/bundle-g\d+-[^/]*$/.test(name));
}

/** `directory`: the session's on this host, where nobody else takes one meanwhile. Taken again, it changes nothing. */
export async function takeBundle(
  { artifacts, diskReserveBytes }: BundleDeps,
  store: SessionStore,
  directory: string,
  bundle: StoredArtifact,
  signal: AbortSignal,
): Promise<void> {
  const path = join(directory, 'fetched.bundle');
  await requireDiskSpace([directory], diskReserveBytes + 2 * bundle.bytes);
  await rm(path, { force: true });
  try {
    await artifacts.get(bundle, path, signal);
    await store.ingestBundle(path, signal);
  } finally {
    await rm(path, { force: true });
  }
}
