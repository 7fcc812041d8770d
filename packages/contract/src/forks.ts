// Forks: sessions that begin with what another one kept at a checkpoint.
//
// 1. A fork refers to what its parent stored: the parent's bundles up to the checkpoint hold its first files, and the parent's events up
//    to the checkpoint's position are the beginning of its history. Nothing is copied.
// 2. It is of its parent's organization, project and partition: one cursor orders the history of both.

import type { CheckpointRef, RestorePoint, StoredBundle } from './checkpoints.ts';
import type { RepositoryRef } from './environment.ts';

/** The beginning of a fork's history: what one of its ancestors has up to a position, after what the ancestor before it has. */
export interface InheritedHistory {
  sessionId: string;
  branch: string;
  /** A cursor. */
  upTo: string;
}

/** What a fork is told of its parent, fixed for its life. */
export interface SessionFork {
  sessionId: string;
  /** Oldest ancestor first; empty only where nothing was before. */
  inherited: InheritedHistory[];
  /** Its first files. The artifacts carry the names of the sessions that stored them. */
  restore: RestorePoint & { checkpoint: CheckpointRef; archive: null };
  /** As at that checkpoint; null where it is not known. */
  headCommit: string | null;
}

/** What a session has for a fork of it to begin with. */
export interface ForkPoint {
  repository: RepositoryRef;
  /** The session's own variables. */
  env: Record<string, string>;
  baseCommit: string;
  checkpoint: CheckpointRef;
  /** As at that checkpoint; null where it is not known. */
  headCommit: string | null;
  /** They hold together all checkpoints up to that one, oldest first. */
  bundles: StoredBundle[];
  /** A cursor: the files are still so there, and what was said until then is known to a fork. Without it: as at that checkpoint. */
  saidUpTo?: string;
}

/** So many ancestors a session can have. */
export const ancestorsMax = 32;

/** How many forks one request makes at most. */
export const forksMax = 16;

/**
 * As few of a session's bundles as hold all checkpoints up to a number. The last of them may hold later ones, which are not of the
 * fork: its own take their numbers.
 */
export function bundlesUpTo(bundles: readonly StoredBundle[], number: number): StoredBundle[] {
  const last = bundles.findIndex(({ upTo }) => upTo >= number);
  const needed = bundles.slice(0, last < 0 ? bundles.length : last + 1);
  return needed.map((bundle) => ({ ...bundle, upTo: Math.min(bundle.upTo, number) }));
}

/** What a fork of an earlier checkpoint begins with, or of the newest. */
export function forkPointAt(newest: ForkPoint, checkpoint: CheckpointRef): ForkPoint {
  const bundles = bundlesUpTo(newest.bundles, checkpoint.number);
  const headCommit = checkpoint.id === newest.checkpoint.id ? newest.headCommit : null;
  return { ...newest, checkpoint, bundles, headCommit };
}
