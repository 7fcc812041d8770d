// A trace-store that has stored what the stream holds: it lists the events of a session, tells webhooks of those that a test names, and answers every other question of the Connect
// protocol with an empty message, in which all numbers are 0.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventType } from '@worktrail/contract/event-types';
import type { Event } from '@worktrail/proto/event';
import {
  ListEventsRequestSchema,
  ListEventsResponseSchema,
  MatchEventsRequestSchema,
  MatchEventsResponseSchema,
} from '@worktrail/proto/trace';

export interface StoredEvent {
  /** In the stream. */
  sequence: number;
  event: Event;
}

/** What webhooks are told of. Their position counts those of their organization that they have. */
export interface Match {
  organizationId: string;
  sessionId: string;
  sequence: number;
  event: Event;
}

/** `events`: all of a session, in their order. */
export async function startStreamTraceStore(
  events: (sessionId: string) => Promise<StoredEvent[]>,
  matches: readonly Match[],
): Promise<{ url: string; stop(): Promise<void> }> {
  async function list(request: Uint8Array): Promise<Uint8Array> {
    const { scope, types, after } = fromBinary(ListEventsRequestSchema, request);
    const all = await events(scope?.sessionId ?? '');
    const since = Number(after?.sequence ?? 0n);
    const isWanted = ({ sequence, event: { payload } }: StoredEvent) =>
      sequence > since && payload.case !== undefined && types.includes(eventType(payload.case));
    const next = { epoch: 1n, sequence: BigInt(Math.max(since, all.at(-1)?.sequence ?? 0)) };
    const stored = all.filter(isWanted).map(({ event, sequence }) => ({ event, cursor: cursorAt(sequence) }));
    const answer = { events: stored, next, complete: true };
    return toBinary(ListEventsResponseSchema, create(ListEventsResponseSchema, answer));
  }
  function match(request: Uint8Array): Uint8Array {
    const { limit, organizationId: ofOrganization, after } = fromBinary(MatchEventsRequestSchema, request);
    const had = Number(after[0]?.stored?.epoch ?? 0n);
    const own = matches.filter(({ organizationId }) => organizationId === ofOrganization);
    const matched = own.slice(had, had + limit).map(({ organizationId, sessionId, sequence, event }) => ({
      scope: { organizationId, sessionId, partition: 0 },
      ...{ cursor: cursorAt(sequence), eventId: event.id, type: eventType(event.payload.case!) },
    }));
    const next = [{ partition: 0, stored: { epoch: BigInt(had + matched.length) } }];
    return toBinary(MatchEventsResponseSchema, create(MatchEventsResponseSchema, { events: matched, next }));
  }
  async function answerTo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const question = request.url?.split('/').at(-1);
    const answers: Record<string, () => Promise<Uint8Array | null> | Uint8Array> = {
      ListEvents: () => list(Buffer.concat(chunks)).catch(() => null),
      MatchEvents: () => match(Buffer.concat(chunks)),
    };
    const body = await (answers[question ?? '']?.() ?? new Uint8Array());
    response.writeHead(body ? 200 : 500, { 'content-type': 'application/proto' }).end(body);
  }
  const server = createServer((request, response) => void answerTo(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function cursorAt(sequence: number) {
  return { epoch: 1n, sequence: BigInt(sequence), fill: 0n };
}
