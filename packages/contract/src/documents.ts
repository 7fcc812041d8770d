// Read models kept in key-value buckets: written by one owner, read by any service.
// A document carries the writer's `version`; an older one never overwrites a newer one.

import type { CheckpointRef } from './checkpoints.ts';
import type { RepositoryRef } from './environment.ts';

export type SessionState =
  | 'creating'
  | 'ready'
  | 'busy'
  | 'hibernating'
  | 'hibernated'
  | 'resuming'
  | 'failed'
  | 'archived';

/** A session as its workflow last reported it. Times are ISO 8601 UTC with milliseconds. */
export interface SessionDocument {
  version: number;
  id: string;
  organizationId: string;
  projectId: string;
  taskId: string | null;
  trialId: string | null;
  partition: number;
  title: string;
  labels: Record<string, string>;
  state: SessionState;
  /** As the session began with it, whatever its project says since. */
  repository: RepositoryRef;
  branch: string;
  baseCommit: string | null;
  headCommit: string | null;
  /** null while it is not placed, also after its host was lost. */
  runnerId: string | null;
  generation: number;
  /** The generation that last had the files open; 0 before the first. A runner's volume of an older one is out of date. */
  filesGeneration: number;
  /** Since when it waits for a place; null while it has one or needs none. */
  waitingForPlaceSince: string | null;
  /** The newest stored checkpoint. */
  checkpoint: CheckpointRef | null;
  /** Names in the artifact store that the session needs; everything else of it there may go. */
  artifacts: string[];
  failure: { code: string; detail: string } | null;
  createdAt: string;
  lastActiveAt: string;
}

/** A stored checkpoint as the API shows it. */
export interface CheckpointDocument extends CheckpointRef {
  label: string;
  commandId: string;
  filesChanged: number;
  createdAt: string;
}

export type Verdict = 'passed' | 'failed';
export type TrialState = 'running' | 'completed' | 'failed' | 'canceled';

export interface TrialDocument {
  version: number;
  id: string;
  organizationId: string;
  projectId: string;
  taskId: string;
  name: string;
  state: TrialState;
  sessions: TrialSessionDocument[];
  createdAt: string;
  endedAt: string | null;
}

export interface TrialSessionDocument {
  sessionId: string;
  title: string;
  /** Of the attempt, not of the session, which outlives it. */
  state: 'pending' | 'running' | 'ended';
  verdict: Verdict | null;
  /** Why there is no verdict, or which command decided it. */
  reason: string | null;
  commandIds: string[];
  startedAt: string | null;
  endedAt: string | null;
}

/** A runner's announcement, renewed while it lives. */
export interface RunnerDocument {
  id: string;
  hostQueue: string;
  /** Where its internal HTTP API answers: "http://10.0.0.7:7301". */
  url: string;
  startedAt: string;
  version: string;
  labels: Record<string, string>;
  /** `memoryMb`: what sandboxes may use together by their environments; null: they are only counted. */
  slots: { total: number; used: number; memoryMb: { total: number | null; used: number } };
  /** It follows an order to drain. */
  draining: boolean;
  /** Why it takes no session now: an engine that does not answer, or a disk with less free than the reserve. */
  unavailable: { part: 'docker' | 'disk'; detail: string } | null;
}

/**
 * What an administrator wants of a runner: kept in a bucket of its own, by the runner's id, also while the runner is away. The runner
 * follows its key; without a document, or with `draining: false`, it takes sessions as ever. The newest order counts.
 */
export interface RunnerOrder {
  runnerId: string;
  /** Take no new session, and hibernate those that are here once they are idle. */
  draining: boolean;
  /** Principal id. */
  by: string;
  at: string;
}

/** A project's secret as stored: AES-256-GCM, opened only by gateway and runners. */
export interface SecretDocument {
  name: string;
  /** base64 of nonce (12 bytes), ciphertext and tag (16 bytes). */
  sealed: string;
  updatedAt: string;
}
