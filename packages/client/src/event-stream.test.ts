import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { WorktrailApiError, WorktrailConnectionError } from './api-error.ts';
import { type FollowOptions, followEvents, type WorktrailEvent } from './event-stream.ts';
import { type Answer, sendProblem, startTestServer, type TestServer } from './test-server.ts';
import { createTransport } from './transport.ts';

const servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

interface Setting {
  silenceMs?: number;
  nowMs?: () => number;
}

async function setUp(answer: Answer, { silenceMs = 10_000, nowMs = () => 0 }: Setting = {}) {
  const server = await startTestServer(answer);
  servers.push(server);
  const waitsMs: number[] = [];
  const wait = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted();
    waitsMs.push(ms);
  };
  const random = () => 0;
  const transport = createTransport({
    apiUrl: server.url,
    apiKey: 'k',
    userAgent: 't',
    fetch,
    wait,
    random,
    newIdempotencyKey: () => 'i',
    attemptsMax: 3,
  });
  const follow = (options?: FollowOptions) =>
    followEvents({ transport, wait, random, nowMs, silenceMs }, 'ses_1', options);
  return { server, follow, waitsMs };
}

function eventAt(number: number): WorktrailEvent {
  const actor = { kind: 'system' as const, id: 'test' };
  const data = { text: `${'é'.repeat(number % 5)}\n${number}` };
  return {
    cursor: `c-${number}`,
    id: `evt_${number}`,
    sessionId: 'ses_1',
    type: 'command.output',
    time: '',
    actor,
    data,
  };
}

function framesAfter(cursor: string | undefined, total: number): Buffer {
  const first = cursor ? Number(cursor.slice(2)) + 1 : 1;
  let text = 'retry: 1000\n\n: ping\n\n';
  for (let number = first; number <= total; number++) {
    const event = eventAt(number);
    text += `id: ${event.cursor}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n: ping\n\n`;
  }
  return Buffer.from(text);
}

function open(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream' });
}

async function take(events: AsyncIterable<WorktrailEvent>, count: number): Promise<string[]> {
  const cursors: string[] = [];
  for await (const event of events) {
    cursors.push(event.cursor);
    if (cursors.length >= count) break;
  }
  return cursors;
}

function cursors(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `c-${from + index}`);
}

test('wherever the connection is cut, every event comes once and in order', async () => {
  const total = 12;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(2_500), { maxLength: 6 }), fc.boolean(), async (cuts, isClean) => {
      const { follow, server } = await setUp((response, request, count) => {
        const frames = framesAfter(request.headers['last-event-id'] as string | undefined, total);
        const cutAt = cuts[count - 1];
        if (cutAt === undefined || cutAt >= frames.length) return void open(response).write(frames);
        open(response).write(frames.subarray(0, cutAt), () => (isClean ? response.end() : response.destroy()));
      });
      expect(await take(follow(), total)).toEqual(cursors(1, total));
      expect(server.requests.length).toBeLessThanOrEqual(cuts.length + 1);
    }),
    { numRuns: 40 },
  );
});

test('it begins after the cursor it is given, and asks for the types it is given', async () => {
  const { follow, server } = await setUp((response, request) => {
    open(response).write(framesAfter(request.headers['last-event-id'] as string | undefined, 9));
  });
  expect(await take(follow({ after: 'c-5', types: ['command.output', 'gap'] }), 4)).toEqual(cursors(6, 9));
  expect(server.requests[0]!.path).toBe('/v1/sessions/ses_1/events?types=command.output%2Cgap');
  expect(server.requests[0]!.headers.accept).toBe('text/event-stream');
});

test('a connection that falls silent is given up and resumed', async () => {
  const { follow, server } = await setUp(
    (response, request, count) => {
      const after = request.headers['last-event-id'] as string | undefined;
      open(response).write(framesAfter(after, count === 1 ? 3 : 6));
    },
    { silenceMs: 1_000 },
  );
  expect(await take(follow(), 6)).toEqual(cursors(1, 6));
  expect(server.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, 'c-3']);
});

test('a gateway that is down or busy for a while is waited for with growing waits', async () => {
  const { follow, waitsMs } = await setUp((response, _, count) => {
    if (count === 1) return response.destroy();
    if (count <= 3) return sendProblem(response, 503, 'dependency_unavailable', { 'retry-after': '2' });
    open(response).write(framesAfter(undefined, 1));
  });
  expect(await take(follow(), 1)).toEqual(['c-1']);
  expect(waitsMs).toEqual([100, 2000, 2000]);
});

test('it gives up, with the last reason, when nothing answered for the time it was given', async () => {
  let nowMs = 0;
  const { follow, server } = await setUp((response) => response.destroy(), { nowMs: () => (nowMs += 1_000) });
  await expect(take(follow({ giveUpAfterMs: 5_500 }), 1)).rejects.toBeInstanceOf(WorktrailConnectionError);
  expect(server.requests.length).toBeGreaterThan(3);
});

test('a refusal that trying again cannot change is thrown at once', async () => {
  const { follow, server } = await setUp((response) => sendProblem(response, 410, 'cursor_expired'));
  const error: unknown = await take(follow({ after: 'c-1' }), 1).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(WorktrailApiError);
  expect((error as WorktrailApiError).code).toBe('cursor_expired');
  expect(server.requests).toHaveLength(1);
});

test('aborting ends it while it waits for events, and closes the connection', async () => {
  const abort = new AbortController();
  let closed: () => void;
  const isClosed = new Promise<void>((resolve) => (closed = resolve));
  const { follow } = await setUp((response) => {
    response.on('close', () => closed());
    open(response).write(framesAfter(undefined, 1));
  });
  const reading = (async () => {
    for await (const _ of follow({ signal: abort.signal })) abort.abort(new Error('enough'));
  })();
  await expect(reading).rejects.toThrow('enough');
  await isClosed;
});

test('leaving the loop closes the connection', async () => {
  let closed: () => void;
  const isClosed = new Promise<void>((resolve) => (closed = resolve));
  const { follow } = await setUp((response) => {
    response.on('close', () => closed());
    open(response).write(framesAfter(undefined, 5));
  });
  expect(await take(follow(), 2)).toEqual(cursors(1, 2));
  await isClosed;
});
