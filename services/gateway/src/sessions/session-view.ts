// A session as the API shows it: its document, where its history ends, and its place in the queue when it waits for one.

import type { SessionDocument } from '@worktrail/contract/documents';
import type { StreamPosition } from '../events/stream-position.ts';
import { etag, json, type Reply } from '../http/reply.ts';
import { sessionEtag, sessionJson } from './schemas.ts';
import { queuePosition, type SessionCensus } from './session-census.ts';
import { scopeOf } from './session-reader.ts';

export interface SessionView {
  json(document: SessionDocument): Promise<ReturnType<typeof sessionJson>>;
  reply(status: number, document: SessionDocument): Promise<Reply>;
}

export function createSessionView(
  position: Pick<StreamPosition, 'lastCursor'>,
  census: Pick<SessionCensus, 'live'>,
): SessionView {
  const show = async (document: SessionDocument) => {
    const [lastCursor, rank] = await Promise.all([
      position.lastCursor(scopeOf(document)),
      document.waitingForPlaceSince ? census.live().then((live) => queuePosition(live, document)) : null,
    ]);
    return sessionJson(document, lastCursor, rank);
  };
  return {
    json: show,
    reply: async (status, document) => json(status, await show(document), { etag: etag(sessionEtag(document)) }),
  };
}
