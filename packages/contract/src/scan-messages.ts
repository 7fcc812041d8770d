// Temporal names and messages of the scan workflow, and the runner's part in it. Plain JSON only.
//
// The session of its checks is talked to by the signals that a trial uses (trial-messages.ts).

import type { RepositoryRef } from './environment.ts';
import type { SessionSpec } from './session-messages.ts';
import type { Evidence, Finding, SuggestionKind, SuggestionState } from './suggestions.ts';

export const scanWorkflow = 'scan';

/** One of a project at a time. */
export function scanWorkflowId(projectId: string): string {
  return `scan:${projectId}`;
}

export interface ScanSpec {
  organizationId: string;
  projectId: string;
  repository: RepositoryRef;
  /** The project's required checks. */
  checks: string[];
  /** As they are run in: a new session of the project, counted in already. The commit is the workflow's to fill in. */
  checkSession: SessionSpec;
  /** null: none is asked. */
  model: string | null;
}

/** Any runner takes it: it is of what upstream has. */
export const scanTaskQueue = 'sandbox-runner.scans';

/** A suggestion that is stored already. */
export interface KnownFinding {
  fingerprint: string;
  kind: SuggestionKind;
  state: SuggestionState;
  /** Of what a model has said: its file and its title; '' for others. */
  path: string;
  title: string;
}

export interface ScanRepositoryInput {
  organizationId: string;
  projectId: string;
  repository: RepositoryRef;
  known: KnownFinding[];
}

export interface ScanRepositoryResult {
  commit: string;
  /** False: some files could not be looked at, so that what was not found may still be there. */
  complete: boolean;
  /** What is open, and of each kind as much that is new as may be. Nothing that was accepted or dismissed. */
  findings: Finding[];
  /** Fingerprints of those known that are still so. */
  seen: string[];
  /** New ones that are beyond the bound, by kind. */
  left: Partial<Record<SuggestionKind, number>>;
  digest: RepositoryDigest;
}

/** What a model is told of a repository. Bounded. */
export interface RepositoryDigest {
  files: number;
  /** Paths, one a line. */
  tree: string;
  readme: { path: string; text: string } | null;
}

export interface LocateInput {
  organizationId: string;
  projectId: string;
  repository: RepositoryRef;
  commit: string;
  /** What somebody says of the commit. */
  claims: { path: string; firstLine: number; lastLine: number }[];
}

/** For each claim: the evidence, and what a suggestion of a model about it is known by; null: there is no such file, or no such lines of it. */
export type Located = ({ evidence: Evidence; fingerprint: string } | null)[];

export interface ScanActivities {
  /** Looks at the newest commit of the default branch, outside of any sandbox. Fails for good with a SessionFailureCode as type. */
  scanRepository(input: ScanRepositoryInput): Promise<ScanRepositoryResult>;
  locateEvidence(input: LocateInput): Promise<Located>;
}
