// For tests of feeds: sessions that exist only as a document, producers that publish to them as runners do, and a reader of streams.

import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { SessionDocument } from '@worktrail/contract/documents';
import type { PublicEvent } from '@worktrail/contract/event-json';
import { newId } from '@worktrail/contract/ids';
import { buckets, sessionKey } from '@worktrail/contract/subjects';
import { createDocument, openBucket } from '@worktrail/runtime/buckets';
import { createProducer, type EventPayloadInit, type Producer } from '@worktrail/runtime/event-producer';
import type { Fixture } from '../gateway-fixture.ts';

export interface TestSession {
  document: SessionDocument;
  /** A command's producer; what it appends is answered once it is stored in the stream. */
  producer(commandId?: string): Producer & { commandId: string };
}

export async function makeSession(
  { connection, trace, organizationId, log }: Fixture,
  fields: Partial<SessionDocument> = {},
): Promise<TestSession> {
  const now = new Date().toISOString();
  const document: SessionDocument = {
    version: 1,
    id: newId('session'),
    organizationId,
    projectId: newId('project'),
    taskId: null,
    trialId: null,
    partition: 0,
    title: 'feed',
    labels: {},
    state: 'ready',
    repository: { url: '/nowhere', defaultBranch: 'main' },
    branch: 'worktrail/feed',
    baseCommit: null,
    headCommit: null,
    position: null,
    runnerId: null,
    generation: 1,
    filesGeneration: 0,
    waitingForPlaceSince: null,
    checkpoint: null,
    artifacts: [],
    fork: null,
    inherited: [],
    forkPoint: null,
    failure: null,
    createdAt: now,
    lastActiveAt: now,
    ...fields,
  };
  const bucket = await openBucket(connection, buckets.sessions);
  await createDocument(bucket, sessionKey(organizationId, document.id), document);
  const producer = await openProducers({ connection, trace, log }, document);
  return {
    document,
    producer: (commandId = newId('command')) => ({ ...producer(commandId), commandId }),
  };
}

/** Producers of a session's events, by name. */
export async function openProducers(
  { connection, trace, log }: Pick<Fixture, 'connection' | 'trace' | 'log'>,
  document: SessionDocument,
): Promise<(name: string) => Producer> {
  const deps = { js: jetstream(connection), jsm: await jetstreamManager(connection), trace, log };
  const scope = { ...document, sessionId: document.id };
  return (name) => createProducer(deps, { ...scope, producer: name, signal: new AbortController().signal });
}

export function append(producer: Producer & { commandId: string }, payload: EventPayloadInit) {
  const actor = { kind: 'system' as const, id: 'test' };
  return producer.append({ time: new Date(), actor, commandId: producer.commandId, payload });
}

export function outputPayload(offset: number, bytes: Uint8Array<ArrayBuffer>): EventPayloadInit {
  const at = BigInt(offset);
  return { case: 'commandOutput', value: { stream: 1, offset: at, position: at, bytes } };
}

/** Server-sent events as a client reads them. Ends when the connection does. */
export async function* readStream(
  { url, key }: Fixture,
  sessionId: string,
  options: { lastEventId?: string | undefined; query?: string; signal: AbortSignal },
): AsyncGenerator<PublicEvent> {
  const response = await fetch(`${url}/v1/sessions/${sessionId}/events${options.query ?? ''}`, {
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(options.lastEventId && { 'last-event-id': options.lastEventId }),
    },
    signal: options.signal,
  });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data === undefined) continue;
      const event = JSON.parse(data) as PublicEvent;
      const head = `id: ${event.cursor}\nevent: ${event.type}\n`;
      if (!block.startsWith(head)) throw new Error(`not the head of ${event.cursor}: ${block.slice(0, 100)}`);
      yield event;
    }
  }
}

/** Reads until so many events were read; a cut connection is its own end. */
export async function readEvents(
  fixture: Fixture,
  sessionId: string,
  count: number,
  lastEventId?: string,
): Promise<PublicEvent[]> {
  const cut = new AbortController();
  const events: PublicEvent[] = [];
  for await (const event of readStream(fixture, sessionId, { lastEventId, signal: cut.signal })) {
    events.push(event);
    if (events.length === count) break;
  }
  cut.abort();
  return events;
}
