// GET /v1/sessions/{sessionId}/events: by page, by long poll, or as a stream of server-sent events.

import { z } from '@hono/zod-openapi';
import { type Cursor, formatCursor } from '@worktrail/contract/cursor';

import { type EventType, eventTypes } from '@worktrail/contract/event-types';
import type { Logger } from '@worktrail/runtime/log';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { waitSeconds } from '../http/query-number.ts';
import { json, type Reply } from '../http/reply.ts';
import { pageQuery } from '../pagination.ts';
import { Problem } from '../problem.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { id, time } from '../text.ts';
import { eventJson } from './event-json.ts';
import { openEventStream } from './event-stream.ts';
import { type HistoryPage, type HistoryScope, readCursor } from './history.ts';
import { type FeedDeps, openFeed } from './session-feed.ts';

/** Of one read of the history for a stream. */
const streamBatchMax = 1_000;

export const eventSchema = z
  .object({
    cursor: z.string(),
    id: id('event'),
    sessionId: id('session'),
    turnId: z.string().optional(),
    commandId: z.string().optional(),
    type: z.enum(eventTypes as [EventType, ...EventType[]]),
    time,
    actor: z.object({ kind: z.enum(['user', 'agent', 'system']), id: z.string() }),
    data: z.record(z.string(), z.unknown()).openapi({ description: 'By type: see proto/worktrail/v1/event.proto.' }),
  })
  .openapi('Event');

const eventPageSchema = z
  .object({
    items: z.array(eventSchema),
    nextCursor: z.string().openapi({ description: 'Never null: ask again with it.' }),
    complete: z.boolean().openapi({ description: 'Nothing more was known when the answer was made.' }),
  })
  .openapi('EventPage');

const querySchema = z.object({
  after: z.string().optional().openapi({ description: 'A cursor: what came later is answered.' }),
  limit: pageQuery.limit,
  types: z
    .string()
    .max(2_000)
    .optional()
    .transform((list) => (list === undefined || list === '' ? [] : list.split(',')))
    .pipe(z.array(z.enum(eventTypes as [EventType, ...EventType[]])))
    .openapi({ type: 'string', description: 'Event types, separated by commas.' }),
  waitSeconds: waitSeconds('Waits so long for an event when there is none.'),
});

type EventQuery = Omit<z.output<typeof querySchema>, 'after'> & { after: Cursor | undefined };

export interface EventRouteDeps extends FeedDeps {
  sessions: SessionReader;
  followers: Followers;
  /** Aborted when the gateway stops. */
  stopping: AbortSignal;
  log: Logger;
}

export function addEventRoutes(api: Api, deps: EventRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/events',
      tag: 'Events',
      summary: 'The history of a session after a cursor; with Accept: text/event-stream as it goes on',
      action: 'event.read',
      params: z.object({ sessionId: id('session') }),
      query: querySchema,
      answers: {
        200: {
          description: 'A page; or a stream whose `id:` is the cursor, `event:` the type, `data:` the event',
          schema: eventPageSchema,
          contentTypes: ['text/event-stream'],
        },
      },
      heeds: { 'Last-Event-ID': 'Of a stream: the cursor after which it begins.' },
    },
    async ({ principal, params, query, headers, signal }) => {
      const { scope } = await deps.sessions.open(principal, params.sessionId, 'event.read');
      const after = await givenCursor(deps, scope, headers.get('last-event-id') ?? query.after);
      const request = { ...query, after };
      if (headers.get('accept')?.includes('text/event-stream')) return await stream(deps, scope, request, signal);
      if (query.waitSeconds > 0) return page(await longPoll(deps, scope, request, signal));
      return page(await deps.history.page(scope, request));
    },
  );
}

/** @throws cursor_invalid for what is no cursor, or one that no event can have had. */
export async function givenCursor(
  deps: Pick<EventRouteDeps, 'position' | 'history'>,
  scope: HistoryScope,
  text: string | undefined,
) {
  if (text === undefined || text === '') return undefined;
  const cursor = readCursor(text);
  const place = await deps.position.place(scope, cursor);
  if (place === 'beyond') throw new Problem('cursor_invalid', `after: "${text}" is beyond the end of the history`);
  if (place === 'earlier' && cursor.epoch < (await firstEpoch(deps, scope))) {
    throw new Problem('cursor_invalid', `after: "${text}" is before the beginning of the history`);
  }
  return cursor;
}

/** The incarnation of the stream in which the session's history begins. */
async function firstEpoch({ history }: Pick<EventRouteDeps, 'history'>, scope: HistoryScope): Promise<number> {
  const { events, next } = await history.page(scope, { after: undefined, limit: 1, types: [] });
  return (events[0]?.cursor ?? next).epoch;
}

function page({ events, next, complete }: HistoryPage): Reply {
  return json(200, {
    items: events.map(({ event, cursor }) => eventJson(event, cursor)),
    nextCursor: formatCursor(next),
    complete,
  });
}

async function stream(deps: EventRouteDeps, scope: HistoryScope, query: EventQuery, gone: AbortSignal): Promise<Reply> {
  const onClose = deps.followers.admit('eventStreams', scope.organizationId);
  try {
    const { after } = query;
    const signal = AbortSignal.any([gone, deps.stopping]);
    const body = await openEventStream(
      deps,
      { scope, after, limit: streamBatchMax, types: query.types },
      { signal, log: deps.log, onClose },
    );
    return { status: 200, headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }, body };
  } catch (error) {
    onClose();
    throw error;
  }
}

async function longPoll(
  deps: EventRouteDeps,
  scope: HistoryScope,
  query: EventQuery,
  gone: AbortSignal,
): Promise<HistoryPage> {
  const over = AbortSignal.timeout(Math.ceil(query.waitSeconds * 1_000));
  const signal = AbortSignal.any([gone, deps.stopping, over]);
  let { after } = query;
  let complete = true;
  const end = deps.followers.admit('waiters', scope.organizationId);
  try {
    for await (const batch of openFeed(deps, { scope, after, limit: query.limit, types: query.types, signal })) {
      after = batch.cursor;
      complete = batch.complete;
      if (batch.events.length > query.limit) return firstOf(batch.events, query.limit);
      if (batch.events.length > 0) return { events: batch.events, next: batch.cursor, complete };
    }
  } finally {
    end();
  }
  if (after) return { events: [], next: after, complete };
  return await deps.history.page(scope, { after: undefined, limit: query.limit, types: query.types });
}

function firstOf(events: HistoryPage['events'], limit: number): HistoryPage {
  const first = events.slice(0, limit);
  return { events: first, next: first.at(-1)!.cursor, complete: false };
}
