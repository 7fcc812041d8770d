// What is kept of a session's files beyond its volume: checkpoints, the bundles they travel in, and archives of whole volumes.
//
// The session's workflow is the catalogue: an artifact that its state does not name does not exist, whoever wrote it, and is removed
// by the reconciler after a grace period. An archived session keeps its checkpoints and no archive.

/** An object in the artifact store, verified before it was named. */
export interface StoredArtifact {
  /** Unique for ever: the generation that wrote it is part of it. */
  name: string;
  /** Of the whole object, hex. */
  sha256: string;
  bytes: number;
}

/** An artifact that holds checkpoints of a session. */
export interface StoredBundle extends StoredArtifact {
  /** The number of its newest one, in the line of the session that names it. */
  upTo: number;
}

/** A work tree as a commit. `number` counts the session's checkpoints from 1. */
export interface CheckpointRef {
  id: string;
  number: number;
  commit: string;
  tree: string;
}

export interface CheckpointFacts extends CheckpointRef {
  /** Against the checkpoint before it; against the base commit for the first one. */
  filesChanged: number;
  /** The user's own HEAD at that moment; null where there is none. */
  headCommit: string | null;
  /** Full name of the ref that HEAD is on; null when it is detached or there is no repository. */
  headRef: string | null;
  /** Absent where counting took too long. */
  fromBase?: ChangesFromBase;
  /** For people: what of the work tree is not in it, as "3 files over 100 MiB". Empty when it is whole. */
  notKept: string[];
  /** The same for programs. Absent where an older runner took it. */
  leftOut?: LeftOut[];
}

/** What of one kind is not in a checkpoint (event.proto, `LeftOut`). */
export interface LeftOut {
  kind: string;
  count: number;
  /** The first of them. */
  files: { path: string; bytes: number; sha256: string }[];
}

/** Against the commit that the session began with. */
export interface ChangesFromBase {
  /** Of HEAD's history; null where it could not be read. */
  commits: number | null;
  filesChanged: number;
  additions: number;
  deletions: number;
}

/** From what a session's files can be made again where its volume is not. */
export interface RestorePoint {
  baseCommit: string;
  /** The newest that is stored; null when there never was one: the files are then made anew from `baseCommit`. */
  checkpoint: CheckpointRef | null;
  /** They hold together all checkpoints up to that one, oldest first; each needs those before it. */
  bundles: StoredBundle[];
  /** What the volumes held when the session was last hibernated, unless something ran since. */
  archive: SessionArchive | null;
}

export interface SessionArchive {
  /** "whole": work tree with its `.git`, ignored files and home. "persist": the project's `environment.persist` paths only. */
  kind: 'whole' | 'persist';
  artifact: StoredArtifact;
  /** What was in the volumes and is not in it, for people. */
  notKept: string[];
}
