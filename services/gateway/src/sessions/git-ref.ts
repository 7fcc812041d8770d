// Names of branches, tags and commits as git allows them.

import { z } from '@hono/zod-openapi';

const refLengthMax = 255;

/** What git-check-ref-format allows, and nothing that a program could take for an option. */
export function isGitRef(text: string): boolean {
  if (text === '' || text.length > refLengthMax || text.startsWith('-') || text.startsWith('/')) return false;
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(text) || !text.isWellFormed()) return false;
  if (text.includes('..') || text.includes('@{') || text === '@' || text.endsWith('.')) return false;
  return text.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}

export const gitRef = z
  .string()
  .max(refLengthMax)
  .refine(isGitRef, 'is no name that git allows for a branch, tag or commit');
