// Decides what of all that is found on a host has no counterpart: a pure function of what is there and what is known.
//
// 1. Nothing is said of a session that is being opened, stopped or removed here, and nothing of one whose document cannot be read.
// 2. What belongs to a session that lives here is never removed: containers and volumes that its record does not name are, and where
//    the record is gone or cannot be read a person decides.
// 3. What a newer generation proves to be out of date is for stale-sessions.ts, which does not wait for a grace.
// 4. A session without a document is removed only where the documents are older than the session: a bucket that was made anew
//    tells nothing about it.
// 5. Scratch counts as left over once nobody can be writing it: it is older than this process, or nothing in it has changed for long;
//    what a sandbox could write, once that has stopped.

import type { SessionDocument } from '@worktrail/contract/documents';
import type { Judged } from '@worktrail/runtime/first-seen';
import type { OwnedObject } from '../docker/sandbox-driver.ts';
import type { SandboxRecord } from '../sessions/session-directory.ts';
import { judgeStale } from '../sandboxes/stale-sessions.ts';

export const scratchQuietMs = 60 * 60_000;
export const imageUnusedMs = 24 * 60 * 60_000;

export type FoundObject =
  | OwnedObject
  | { kind: 'directory'; name: string; sessionId: string | null }
  | {
      kind: 'leftover';
      /** Below the runner's data directory. */
      name: string;
      organizationId: string | null;
      sessionId: string | null;
      changedMs: number;
      /** What the sandbox could still change while it runs. */
      isSandboxes: boolean;
    }
  | { kind: 'image'; name: string };

export type KnownDocument = Pick<
  SessionDocument,
  'organizationId' | 'runnerId' | 'generation' | 'filesGeneration' | 'state'
>;

export interface KnownSession {
  document: KnownDocument | 'missing' | 'unreadable';
  record: SandboxRecord | 'missing' | 'unreadable';
  /** Nobody opens, stops or removes it here at the moment. */
  isIdle: boolean;
  createdMs: number;
}

export interface Known {
  runnerId: string;
  sessions: ReadonlyMap<string, KnownSession>;
  /** Since when there are documents. */
  documentsSinceMs: number;
  processStartedMs: number;
}

export function judge(found: readonly FoundObject[], known: Known, nowMs: number): Judged[] {
  return found.flatMap((one) => {
    switch (one.kind) {
      case 'image':
        return [judgeImage(one.name)];
      case 'leftover':
        return judgeLeftover(one, known, nowMs);
      default:
        return judgeOwned(one, known);
    }
  });
}

function judgeImage(name: string): Judged {
  const nobody = { organizationId: null, sessionId: null, generation: null };
  const reason = 'an image with packages that no container has been of for a day';
  return { kind: 'image', name, ...nobody, reason, action: 'report', shownAfterMs: imageUnusedMs };
}

function judgeLeftover(one: FoundObject & { kind: 'leftover' }, known: Known, nowMs: number): Judged[] {
  const { kind, name, organizationId, sessionId, changedMs } = one;
  const isQuiet = changedMs < known.processStartedMs || nowMs - changedMs >= scratchQuietMs;
  if (!isQuiet) return [];
  const session = sessionId === null ? undefined : known.sessions.get(sessionId);
  if (sessionId !== null && !session?.isIdle) return [];
  const record = typeof session?.record === 'object' ? session.record : undefined;
  if (one.isSandboxes && record?.state !== 'stopped') return [];
  const owner = record?.organizationId ?? organizationId;
  const reason = 'scratch that nobody writes any more';
  return [
    { kind, name, organizationId: owner, sessionId, generation: record?.generation ?? null, reason, action: 'remove' },
  ];
}

type Owned = Exclude<FoundObject, { kind: 'leftover' | 'image' }>;

function judgeOwned(one: Owned, known: Known): Judged[] {
  const say = (reason: string, action: Judged['action'], organizationId: string | null = null): Judged[] => {
    const labels = one.kind === 'directory' ? { organizationId: null, generation: null } : one;
    const owner = organizationId ?? labels.organizationId;
    const { kind, name, sessionId } = one;
    return [{ kind, name, sessionId, organizationId: owner, generation: labels.generation, reason, action }];
  };
  const session = one.sessionId === null ? undefined : known.sessions.get(one.sessionId);
  if (one.sessionId === null) return say('it names no session', 'report');
  if (!session?.isIdle || session.document === 'unreadable') return [];
  const { document, record } = session;
  const recorded = typeof record === 'object' ? record.organizationId : null;
  if (document === 'missing') {
    if (session.createdMs <= known.documentsSinceMs)
      return say('its session is older than all documents of sessions', 'report', recorded);
    return say('its session is unknown', 'remove', recorded);
  }
  const owner = document.organizationId;
  if (document.state === 'archived' || document.state === 'failed') {
    return say(`its session is ${document.state}`, 'remove', owner);
  }
  if (record === 'unreadable') return say('the record of its session cannot be read', 'report', owner);
  if (record === 'missing') return judgeUnrecorded(one, document, known.runnerId, (...of) => say(...of, owner));
  if (judgeStale(record, document) !== 'none' || one.kind === 'directory' || one.kind === 'network') return [];
  return isNamed(one, record) ? [] : say('the record of its session does not name it', 'remove', owner);
}

/** Without a record nothing here can be opened again, whoever the session is with. */
function judgeUnrecorded(
  one: Owned,
  document: KnownDocument,
  runnerId: string,
  say: (reason: string, action: Judged['action']) => Judged[],
): Judged[] {
  if (document.runnerId === runnerId || document.runnerId === null)
    return say('its session has no record here, although it may live here', 'report');
  const isElsewhere = document.filesGeneration === document.generation;
  if (isElsewhere) return say('its session lives on another runner', 'remove');
  return say(`its session has no record here, and its files were not open anywhere since`, 'report');
}

function isNamed(one: Owned, record: SandboxRecord): boolean {
  if (one.kind === 'container') return record.state === 'creating' || record.containerId === one.name;
  return record.state === 'creating' || Object.values(record.volumes).includes(one.name);
}
