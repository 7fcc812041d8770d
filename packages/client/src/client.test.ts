import { afterEach, expect, test } from 'vitest';
import { createClient } from './client.ts';
import { type Answer, sendJson, sendProblem, startTestServer, type TestServer } from './test-server.ts';

const servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function setUp(answer: Answer) {
  const server = await startTestServer(answer);
  servers.push(server);
  return { server, client: createClient({ apiUrl: server.url, apiKey: 'k' }) };
}

test('a list is read page by page until its last cursor', async () => {
  const { server, client } = await setUp((response, { path }) => {
    const cursor = new URL(path, 'http://x').searchParams.get('cursor');
    const [items, nextCursor] = cursor === null ? [[1, 2], 'p2'] : cursor === 'p2' ? [[], 'p3'] : [[3], null];
    sendJson(response, 200, { items: items.map((id) => ({ id })), nextCursor });
  });
  const ids: unknown[] = [];
  for await (const session of client.sessions.all({ state: 'ready' })) ids.push(session.id);
  expect(ids).toEqual([1, 2, 3]);
  expect(server.requests.every(({ path }) => path.includes('state=ready'))).toBe(true);
});

test('a list whose cursor leads to itself is refused instead of read for ever', async () => {
  const { client } = await setUp((response) => sendJson(response, 200, { items: [], nextCursor: 'same' }));
  const reading = (async () => {
    for await (const _ of client.projects.all()) continue;
  })();
  await expect(reading).rejects.toThrow('leads to itself');
});

test('ids are escaped in paths', async () => {
  const { server, client } = await setUp((response) => sendJson(response, 200, {}));
  await client.sessions.get('../keys?x=1');
  expect(server.requests[0]!.path).toBe('/v1/sessions/..%2Fkeys%3Fx%3D1');
});

test('a command is sent with its wait, which is kept below what fetch endures', async () => {
  const { server, client } = await setUp((response) => sendJson(response, 200, { id: 'cmd_1', state: 'ended' }));
  await client.commands.run('ses_1', { command: 'true' }, { waitSeconds: 300, idempotencyKey: 'mine' });
  const [request] = server.requests;
  expect(request!.path).toBe('/v1/sessions/ses_1/commands?waitSeconds=290');
  expect(request!.headers['idempotency-key']).toBe('mine');
  expect(JSON.parse(request!.body)).toEqual({ command: 'true' });
});

test('so is the wait for events', async () => {
  const { server, client } = await setUp((response) => sendJson(response, 200, { items: [], nextCursor: 'c' }));
  await client.events.list('ses_1', { after: 'c', waitSeconds: 300 });
  expect(server.requests[0]!.path).toBe('/v1/sessions/ses_1/events?after=c&waitSeconds=290');
});

test('output is read range by range, over what was not kept, to its end', async () => {
  const bytes = Buffer.from('abcdefghij');
  const { client } = await setUp((response, { path }) => {
    const offset = Number(new URL(path, 'http://x').searchParams.get('offset'));
    if (offset === 0) return answerRange(response, bytes.subarray(0, 4), 6, 'false', '4-6');
    answerRange(response, bytes.subarray(offset), 10, 'true');
  });
  const ranges = [];
  for await (const range of client.commands.outputRanges('ses_1', 'cmd_1', { stream: 'stdout' })) ranges.push(range);
  expect(Buffer.concat(ranges.map((range) => range.bytes)).toString()).toBe('abcdghij');
  expect(ranges.map(({ gaps }) => gaps)).toEqual(['4-6', null]);
});

function answerRange(response: Parameters<Answer>[0], bytes: Buffer, next: number, complete: string, gaps?: string) {
  response.setHeader('x-next-offset', next).setHeader('x-output-complete', complete);
  if (gaps) response.setHeader('x-gaps', gaps);
  response.end(bytes);
}

test('output that is at its end for now ends the ranges', async () => {
  const { client } = await setUp((response) => answerRange(response, Buffer.alloc(0), 3, 'false'));
  for await (const _ of client.commands.outputRanges('s', 'c', { offset: 3 })) throw new Error('there is nothing');
});

test('the end of a command is awaited over the event stream', async () => {
  let asked = 0;
  const { client } = await setUp((response, { path }) => {
    if (!path.includes('/events')) {
      return sendJson(response, 200, { id: 'cmd_1', state: ++asked === 1 ? 'running' : 'ended', exitCode: 3 });
    }
    const event = (commandId: string) =>
      `id: ${commandId}\ndata: ${JSON.stringify({ type: 'command.ended', cursor: commandId, commandId })}\n\n`;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event('cmd_other') + event('cmd_1'));
  });
  expect(await client.commands.waitForEnd('ses_1', 'cmd_1')).toMatchObject({ state: 'ended', exitCode: 3 });
});

test('the end of a turn is awaited over the event stream, also of one that has ended', async () => {
  const { server, client } = await setUp((response, { path }) => {
    if (!path.includes('/events'))
      return sendJson(response, 200, { id: 'trn_1', state: 'ended', outcome: 'completed' });
    const event = (turnId: string) =>
      `id: ${turnId}\ndata: ${JSON.stringify({ type: 'turn.ended', cursor: turnId, turnId })}\n\n`;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event('trn_0') + event('trn_1'));
  });
  expect(await client.turns.waitForEnd('ses_1', 'trn_1')).toMatchObject({ outcome: 'completed' });
  expect(server.requests.map(({ path }) => path)).toEqual([
    '/v1/sessions/ses_1/events?types=turn.ended',
    '/v1/sessions/ses_1/turns/trn_1',
  ]);
});

test('readiness is an answer also when a part is down', async () => {
  const { client } = await setUp((response) =>
    sendJson(response, 503, { ready: false, parts: { nats: { ok: false, detail: 'away' } } }),
  );
  expect(await client.health.ready()).toEqual({ ready: false, parts: { nats: { ok: false, detail: 'away' } } });
});

test('history is read to its present end', async () => {
  const { client } = await setUp((response, { path }) => {
    const after = new URL(path, 'http://x').searchParams.get('after');
    sendJson(response, 200, {
      items: [{ cursor: after ?? '0' }],
      nextCursor: after ? 'b' : 'a',
      complete: after === 'a',
    });
  });
  const cursors: string[] = [];
  for await (const event of client.events.all('ses_1')) cursors.push(event.cursor);
  expect(cursors).toEqual(['0', 'a']);
});

test('without a key nothing is sent as one', async () => {
  const server = await startTestServer((response) => sendProblem(response, 401, 'unauthenticated'));
  servers.push(server);
  await expect(createClient({ apiUrl: server.url }).principals.me()).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(server.requests[0]!.headers.authorization).toBeUndefined();
});
