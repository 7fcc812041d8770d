// A file of a commit as a scan looks at it, and what it says of one.

import { type Evidence, type Finding, suggestionLimits, type SuggestionKind } from '@worktrail/contract/suggestions';
import { fingerprintOf } from '@worktrail/runtime/fingerprint';
import { cutText, oneLine } from '@worktrail/runtime/plain-text';
import type { FoundSymbol } from '../context/segment-builder.ts';

export interface ScannedFile {
  /** As it is shown. */
  path: string;
  blob: string;
  language: string | null;
  lines: readonly string[];
  symbols: readonly FoundSymbol[];
}

/** Longer lines are looked at so far. */
export const lineLengthMax = 2_000;

export function evidenceOf({ path, blob }: ScannedFile, firstLine: number, lastLine: number): Evidence {
  return { path, firstLine, lastLine, blobId: blob };
}

/** `content`: what it is known by, beside its kind and path. */
export function finding(
  kind: SuggestionKind,
  content: string,
  { title, description, score, evidence }: Pick<Finding, 'title' | 'description' | 'score' | 'evidence'>,
): Finding {
  return {
    kind,
    fingerprint: fingerprintOf(kind, evidence[0]!.path, content),
    title: oneLine(title, suggestionLimits.titleLengthMax),
    description: cutText(description, suggestionLimits.descriptionLengthMax),
    score: Math.round(Math.min(Math.max(score, 0), 1) * 1_000) / 1_000,
    evidence: evidence.slice(0, suggestionLimits.evidenceMax),
    output: null,
  };
}

/** "src/a.ts:3-9" */
export function whereOf({ path, firstLine, lastLine }: Pick<Evidence, 'path' | 'firstLine' | 'lastLine'>): string {
  return lastLine > firstLine ? `${path}:${firstLine}-${lastLine}` : `${path}:${firstLine}`;
}
