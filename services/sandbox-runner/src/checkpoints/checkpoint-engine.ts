// Checkpoints of a session: its work tree as a commit, with what its repository needs beside it, stored as bundles, and made again from them.

import type { RestorePoint } from '@worktrail/contract/checkpoints';
import type {
  CheckpointInput,
  CheckpointResult,
  OpenSandboxInput,
  SandboxRef,
} from '@worktrail/contract/sandbox-activities';
import type { OpenSandbox } from '../open-sandboxes.ts';
import type { Upstream } from '../repository-mirror.ts';

export interface RestoredFiles {
  headCommit: string | null;
  /** For people. */
  notKept: string[];
}

export interface CheckpointEngine {
  /** Everything up to the stored bundle; `files.changed` is published before it answers. */
  take(sandbox: OpenSandbox, input: CheckpointInput, signal: AbortSignal): Promise<CheckpointResult>;
  /**
   * Fills the session's own store on this host from the bundles, so that `take` can go on and `restoreInto` has what it needs.
   * @throws BaseCommitMissing, ArtifactMissing, ArtifactCorrupt
   */
  fetch(session: SandboxRef, restore: RestorePoint, upstreamObjects: string, signal: AbortSignal): Promise<void>;
  /**
   * In an open sandbox whose workspace is empty: repository, refs, index, half-done operations and files as in `input.restore.checkpoint`.
   * `fetch` comes before.
   */
  restoreInto(
    sandbox: OpenSandbox,
    input: OpenSandboxInput,
    upstream: Upstream,
    signal: AbortSignal,
  ): Promise<RestoredFiles>;
}

/** The mirror of the repository on this host does not have the commit that the session began with. */
export class BaseCommitMissing extends Error {
  override readonly name = 'BaseCommitMissing';
}
