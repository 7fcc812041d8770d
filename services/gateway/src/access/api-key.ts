// The form of an API key: wt_<keyId>_<64 hex digits>. Only the SHA-256 of its random part is kept.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isId } from '@worktrail/contract/ids';
import type { Scope } from '../authorize.ts';

export interface ApiKeyDocument {
  id: string;
  organizationId: string;
  principalId: string;
  principalKind: 'user' | 'service';
  scopes: Scope[];
  sha256: string;
  createdAt: string;
  expiresAt: string | null;
}

export function formatApiKey(keyId: string, secret: Buffer): string {
  return `wt_${keyId}_${secret.toString('hex')}`;
}

/** Undefined for anything that has not the form of a key. */
export function parseAuthorization(header: string | null): { keyId: string; secret: Buffer } | undefined {
  const match = /^[Bb]earer wt_(key_[0-9a-z]{26})_([0-9a-f]{64})$/.exec(header ?? '');
  if (!match || !isId(match[1]!, 'key')) return undefined;
  return { keyId: match[1]!, secret: Buffer.from(match[2]!, 'hex') };
}

export function hashSecret(secret: Buffer): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Constant time in the secret. False once the key has expired. */
export function isValid(document: ApiKeyDocument, secret: Buffer, nowMs: number): boolean {
  const matches = timingSafeEqual(Buffer.from(document.sha256, 'hex'), Buffer.from(hashSecret(secret), 'hex'));
  return matches && (document.expiresAt === null || Date.parse(document.expiresAt) > nowMs);
}
