// What is here of sessions that live elsewhere by now: found by their documents, and taken away.
//
// 1. A container of an older generation than its session's goes: its commands have been ended by the newer one.
// 2. Volumes and directories go only once the files were open in a newer generation than the one that left them here, or the session is
//    archived. Until then they may be the only ones.
// 3. Without a document, and of a session that has failed, nothing goes.
// 4. A session that is being opened, hibernated or removed here is left alone. Its document is read while none of that can begin: a
//    newer one only tells of more that is out of date.

import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type { SessionDocument } from '@worktrail/contract/documents';
import { sessionKey } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Lifetime } from '@worktrail/runtime/lifetime';
import type { Logger } from '@worktrail/runtime/log';
import type { NatsArtifactStore } from '../artifacts/artifact-store-nats.ts';
import type { Sandboxes, StaleParts } from './sandboxes.ts';
import type { SandboxRecord, SessionDirectories } from '../sessions/session-directory.ts';

const everyMs = 60_000;
const unfinishedEveryMs = 20 * 60_000;

export interface StaleSessionsDeps {
  sandboxes: Pick<Sandboxes, 'fence'>;
  directories: Pick<SessionDirectories, 'list'>;
  sessions: KV;
  log: Logger;
}

type Recorded = Pick<SandboxRecord, 'generation' | 'filesGeneration' | 'filesGenerationBefore'>;
type Documented = Pick<SessionDocument, 'generation' | 'filesGeneration' | 'state'>;

export function judgeStale(record: Recorded, document: Documented | undefined): StaleParts {
  if (!document || document.state === 'failed' || document.generation < record.generation) return 'none';
  if (document.state === 'archived') return 'everything';
  if (document.generation === record.generation) return 'none';
  const newest = Math.max(record.filesGeneration, record.filesGenerationBefore);
  return document.filesGeneration > newest ? 'everything' : 'container';
}

/** Goes through all sessions that have a directory here once. */
export async function removeStaleSessions(deps: StaleSessionsDeps, signal: AbortSignal): Promise<void> {
  const { sandboxes, directories, sessions, log } = deps;
  for (const sessionId of await directories.list()) {
    signal.throwIfAborted();
    try {
      const removed = await sandboxes.fence(sessionId, async (record) => {
        const stored = await readDocument<SessionDocument>(sessions, sessionKey(record.organizationId, sessionId));
        return judgeStale(record, stored?.value);
      });
      if (removed !== 'none') log.info({ sessionId, removed }, 'took away what was out of date of a session');
    } catch (error) {
      log.warn({ err: error, sessionId }, 'what is here of a session could not be compared with its document');
    }
  }
}

/** At once, after each reconnect, and every minute; for unfinished uploads at once and every twenty minutes. */
export function startStaleSessions(
  deps: StaleSessionsDeps & { nats: NatsConnection; artifacts: Pick<NatsArtifactStore, 'purgeUnfinished'> },
  lifetime: Lifetime,
): void {
  const { nats, artifacts, log } = deps;
  let running = false;
  let again = false;
  const sweep = async (): Promise<void> => {
    again = true;
    if (running) return;
    running = true;
    while (again && !lifetime.signal.aborted) {
      again = false;
      await removeStaleSessions(deps, lifetime.signal).catch((err: unknown) => report(err));
    }
    running = false;
  };
  const report = (err: unknown) => {
    if (!lifetime.signal.aborted) log.warn({ err }, 'stale sessions could not be looked for');
  };
  const timer = setInterval(() => void sweep(), everyMs);
  const purge = () => void artifacts.purgeUnfinished().catch(report);
  const purgeTimer = setInterval(purge, unfinishedEveryMs);
  lifetime.onClose('stale sessions', () => {
    clearInterval(timer);
    clearInterval(purgeTimer);
  });
  void sweep();
  void (async () => {
    for await (const status of nats.status()) if (status.type === 'reconnect') void sweep();
  })();
  purge();
}
