// Messages to the agent of a session, the turns in which it answers, and what it may not do without being allowed.

import type { AnswerPermission, CreateMessage, MessageTaken, Turn, TurnCanceled } from '../gen/api-schemas.ts';
import type { FollowOptions } from '../event-stream.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';
import type { Events } from './events.ts';

export function createTurns(transport: Transport, events: Events) {
  const list = (sessionId: string, query: PageQuery = {}, options?: CallOptions) =>
    transport.json<Page<Turn>>('GET', pathOf`/v1/sessions/${sessionId}/turns`, { query: { ...query }, ...options });

  const get = (sessionId: string, turnId: string, options?: CallOptions) =>
    transport.json<Turn>('GET', pathOf`/v1/sessions/${sessionId}/turns/${turnId}`, options);

  return {
    /** It is answered in a turn, after those of the messages before it. A session that sleeps is woken for it. */
    send: (sessionId: string, body: CreateMessage, options?: CallOptions) =>
      transport.json<MessageTaken>('POST', pathOf`/v1/sessions/${sessionId}/messages`, { body, ...options }),
    /** Oldest first. */
    list,
    all: (sessionId: string, options?: CallOptions) =>
      allItems((cursor) => list(sessionId, { cursor, limit: 200 }, options)),
    get,
    /** Stops the model, and what its tools run. False: it has ended already. */
    cancel: (sessionId: string, turnId: string, options?: CallOptions) =>
      transport.json<TurnCanceled>('POST', pathOf`/v1/sessions/${sessionId}/turns/${turnId}/cancel`, options),
    /** Waits for the turn's end, across lost connections. `after`: a cursor from before it, so that less is read. */
    waitForEnd: async (sessionId: string, turnId: string, options: FollowOptions = {}): Promise<Turn> => {
      for await (const event of events.follow(sessionId, { ...options, types: ['turn.ended'] })) {
        if (event.turnId === turnId) break;
      }
      return get(sessionId, turnId, { signal: options.signal });
    },
    /** What `permission.requested` has asked for. */
    answerPermission: (sessionId: string, permissionId: string, body: AnswerPermission, options?: CallOptions) =>
      transport.send('POST', pathOf`/v1/sessions/${sessionId}/permissions/${permissionId}`, { body, ...options }),
  };
}
