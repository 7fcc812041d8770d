// The history of a session: by page, by long poll, or followed live.

import type { EventPage } from '../gen/api-schemas.ts';
import { type FollowDependencies, followEvents, type FollowOptions, type WorktrailEvent } from '../event-stream.ts';
import { type CallOptions, pathOf } from './call.ts';

export interface EventQuery {
  /** Cursor of the last event already seen. */
  after?: string;
  limit?: number;
  types?: readonly string[];
  /** Holds the answer back until there is an event, at most so long. */
  waitSeconds?: number;
}

export interface Events {
  list(sessionId: string, query?: EventQuery, options?: CallOptions): Promise<EventPage>;
  /** Every event from `after` to the present end of the history. */
  all(
    sessionId: string,
    query?: Omit<EventQuery, 'waitSeconds'>,
    options?: CallOptions,
  ): AsyncGenerator<WorktrailEvent, void>;
  /** Every event from `after` on, live, across lost connections, until the signal aborts. */
  follow(sessionId: string, options?: FollowOptions): AsyncGenerator<WorktrailEvent, void>;
}

export function createEvents(dependencies: FollowDependencies): Events {
  const list: Events['list'] = (sessionId, { waitSeconds, ...query } = {}, options) =>
    dependencies.transport.json<EventPage>('GET', pathOf`/v1/sessions/${sessionId}/events`, {
      ...options,
      query,
      waitSeconds,
    });

  async function* all(
    sessionId: string,
    query: Omit<EventQuery, 'waitSeconds'> = {},
    options?: CallOptions,
  ): AsyncGenerator<WorktrailEvent, void> {
    let after = query.after;
    for (;;) {
      const page = await list(sessionId, { ...query, after }, options);
      yield* page.items;
      if (page.complete || page.nextCursor === after) return;
      after = page.nextCursor;
    }
  }

  return { list, all, follow: (sessionId, options) => followEvents(dependencies, sessionId, options) };
}
