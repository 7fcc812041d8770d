// Where bundles and archives are kept beyond the host that made them.

import type { StoredArtifact } from '@worktrail/contract/checkpoints';

export interface ArtifactStore {
  /**
   * Stores the file under the name and verifies it, by reading back or by the store's digest; the same name with the same content
   * again is fine. @throws when it is not stored for certain.
   */
  put(name: string, path: string, signal: AbortSignal): Promise<StoredArtifact>;
  /** Fetches into a new file at `path` and verifies sha256 and length. @throws ArtifactMissing, ArtifactCorrupt */
  get(artifact: StoredArtifact, path: string, signal: AbortSignal): Promise<void>;
}

/** The store has no artifact of this name. */
export class ArtifactMissing extends Error {
  override readonly name = 'ArtifactMissing';
}

/** What the store gave is not what was stored. */
export class ArtifactCorrupt extends Error {
  override readonly name = 'ArtifactCorrupt';
}
