// What a repository's index answers, as a gateway asks a runner for it (the runner's internal HTTP API), and as the history keeps it.
//
//   POST context/{projectId}/search    ContextSearchRequest → ContextAnswer

import type { ActorRef } from './commands.ts';
import type { RepositoryRef } from './environment.ts';
import type { SandboxRef } from './sandbox-activities.ts';

export const contextKinds = ['symbol', 'text', 'file'] as const;
export type ContextKind = (typeof contextKinds)[number];

export const contextQueryLengthMax = 500;
export const contextHitsMax = 100;
export const contextPathLengthMax = 500;

export interface ContextSearchRequest {
  organizationId: string;
  repository: RepositoryRef;
  /** Branch, tag or commit; null: the default branch. */
  ref: string | null;
  query: string;
  limit: number;
  kinds: ContextKind[];
  /** A directory or file, or a pattern with `*`, `**` and `?`; null: everywhere. */
  path: string | null;
  language: string | null;
  /** In whose history it stands what was shown; null: in none. */
  within: ContextWithin | null;
}

/** A session in which somebody works, and who it is. */
export interface ContextWithin {
  session: SandboxRef;
  /** Of the one event. */
  producer: string;
  actor: ActorRef;
}

export interface ContextHit {
  kind: ContextKind;
  path: string;
  /** Of what `snippet` shows, from 1; both 0 of a file whose content is not indexed. */
  firstLine: number;
  lastLine: number;
  blob: string;
  /** From 0 to 1: 1 is a name that is exactly what was asked for. */
  score: number;
  language: string | null;
  /** Long lines are cut. */
  snippet: string;
  /** Of kind symbol: all of the definition. */
  symbol?: { name: string; kind: string; parent: string | null; firstLine: number; lastLine: number };
}

export interface ContextIndexState {
  /** False: it is still being made, and the hits are of what is there so far. */
  complete: boolean;
  /** Of the commit. */
  files: number;
  indexed: number;
  /** Files whose content is not indexed, by reason. */
  skipped: Record<string, number>;
}

export interface ContextAnswer {
  commit: string;
  /** Without credentials. */
  repository: string;
  hits: ContextHit[];
  index: ContextIndexState;
}

/** The payload of the event that says what somebody was shown. */
export function contextReferenced(query: string, { repository, commit, hits }: ContextAnswer) {
  return {
    case: 'contextReferenced' as const,
    value: {
      query,
      references: hits.map(({ path, firstLine, lastLine, blob, score }) => ({
        ...{ repository, commit, path, firstLine, lastLine, blob, score },
      })),
    },
  };
}
