// What is known of the sessions that something was found of: their documents, and the records here.
//
// A session counts as unknown only when no organization has a document of it, whatever the labels of what was found say.

import type { KV } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import { createdMsOf, isId } from '@worktrail/contract/ids';
import { sessionKey } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { SandboxRecord, SessionDirectories } from '../sessions/session-directory.ts';
import type { KnownSession } from './judge.ts';

export interface KnownSessionsDeps {
  sessions: KV;
  directories: SessionDirectories;
  sandboxes: Pick<Sandboxes, 'isIdle'>;
}

/** `claimed`: the organization that labels tell, if any. */
export async function readKnownSession(
  deps: KnownSessionsDeps,
  sessionId: string,
  claimed: string | null,
): Promise<KnownSession> {
  const isIdle = deps.sandboxes.isIdle(sessionId);
  const record = await readRecord(deps.directories, sessionId);
  const organizationId = typeof record === 'object' ? record.organizationId : claimed;
  const document = await findDocument(deps.sessions, sessionId, organizationId).catch(() => 'unreadable' as const);
  return { document, record, isIdle, createdMs: createdMsOf(sessionId) };
}

async function readRecord(
  directories: SessionDirectories,
  sessionId: string,
): Promise<SandboxRecord | 'missing' | 'unreadable'> {
  try {
    return (await directories.at(sessionId).readRecord()) ?? 'missing';
  } catch {
    return 'unreadable';
  }
}

async function findDocument(
  sessions: KV,
  sessionId: string,
  organizationId: string | null,
): Promise<SessionDocument | 'missing'> {
  if (organizationId !== null && isId(organizationId, 'organization')) {
    const stored = await readDocument<SessionDocument>(sessions, sessionKey(organizationId, sessionId));
    if (stored) return stored.value;
  }
  const keys: string[] = [];
  for await (const key of await sessions.keys(`*.${sessionId}`)) keys.push(key);
  if (keys.length === 0) return 'missing';
  const stored = keys.length === 1 ? await readDocument<SessionDocument>(sessions, keys[0] as string) : undefined;
  if (!stored) throw new Error(`the document of ${sessionId} is not to be told`);
  return stored.value;
}
