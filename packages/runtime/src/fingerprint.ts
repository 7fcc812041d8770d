// What a finding is known by from one scan to the next: its kind, where it is, and what it says; never in which line.
//
// Text is compared without letter case, and with runs of spaces and punctuation as one space, so that a reformatted comment is the same one.

import { createHash } from 'node:crypto';
import type { SuggestionKind } from '@worktrail/contract/suggestions';

export function fingerprintOf(kind: SuggestionKind, path: string, content: string): string {
  const normal = content
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  // What has no letter or digit is told apart as it is.
  const key = JSON.stringify([kind, path, normal === '' ? content : normal]);
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}
