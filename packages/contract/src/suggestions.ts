// What a scan of a project finds worth doing, and what became of it. Documents of the configuration bucket.

import type { TurnSpec } from './turns.ts';

export const suggestionKinds = [
  'failing_check',
  'todo',
  'missing_test',
  'outdated_docs',
  'large_function',
  'model',
] as const;
export type SuggestionKind = (typeof suggestionKinds)[number];

/** `resolved`: what it was about is not there any more. */
export const suggestionStates = ['open', 'accepted', 'dismissed', 'resolved'] as const;
export type SuggestionState = (typeof suggestionStates)[number];

/** Lines of a file of the commit that was scanned. */
export interface Evidence {
  /** As it is shown: bytes that are not UTF-8, and control characters, as \x escapes. */
  path: string;
  /** From 1. */
  firstLine: number;
  lastLine: number;
  blobId: string;
}

/** What a command printed last. */
export interface OutputEvidence {
  sessionId: string;
  commandId: string;
  command: string;
  text: string;
}

export interface Finding {
  kind: SuggestionKind;
  /** The same of the same thing in any later commit, wherever its lines are then: see runtime's fingerprint.ts. */
  fingerprint: string;
  /** One line without control characters. */
  title: string;
  description: string;
  /** From 0 to 1. */
  score: number;
  evidence: Evidence[];
  output: OutputEvidence | null;
}

export interface SuggestionDocument extends Finding {
  id: string;
  organizationId: string;
  projectId: string;
  state: SuggestionState;
  /** At which it was seen last. */
  commit: string;
  /** Why it was dismissed. */
  reason: string | null;
  /** Principal id of who accepted or dismissed it. */
  decidedBy: string | null;
  /** What accepting it makes. All of it follows from here: whoever dies, the next one makes the rest. */
  accepted: { taskId: string; sessionId: string; turn: TurnSpec | null; at: string } | null;
  createdAt: string;
  updatedAt: string;
}

export type ScanStep = 'reading' | 'checking' | 'asking' | 'storing';

/** The newest scan of a project. */
export interface ScanDocument {
  version: number;
  organizationId: string;
  projectId: string;
  state: 'running' | 'completed' | 'failed';
  step: ScanStep | null;
  /** null: not known yet. */
  commit: string | null;
  /** Kinds that were looked for to the end. */
  kinds: SuggestionKind[];
  added: number;
  updated: number;
  resolved: number;
  /** What was not done or not kept, and why. */
  notes: string[];
  /** Of one that failed. */
  detail: string | null;
  startedAt: string;
  endedAt: string | null;
}

export const suggestionLimits = {
  /** Open at once. */
  perKindMax: 25,
  /** Remembered of a project in all, whatever their state. */
  perProjectMax: 1_000,
  evidenceMax: 10,
  /** Of a file that is looked at. */
  pathLengthMax: 500,
  commandLengthMax: 1_000,
  /** What one scan finds in files, as JSON; with what checks print below Temporal's 2 MiB. */
  findingsBytesMax: 1_000_000,
  titleLengthMax: 160,
  descriptionLengthMax: 4_000,
  outputBytesMax: 4_096,
  reasonLengthMax: 2_000,
  notesMax: 20,
} as const;

export const suggestionKey = (organizationId: string, id: string) => `suggestion.${organizationId}.${id}`;
/** The prefix of the entries that a project's suggestions are listed by. */
export const suggestionList = (projectId: string) => `suggestions-of.${projectId}`;
export const scanKey = (organizationId: string, projectId: string) => `scan.${organizationId}.${projectId}`;
/** What a model has answered the scan that is under way. */
export const scanAnswerKey = (organizationId: string, projectId: string) =>
  `scan-answer.${organizationId}.${projectId}`;
