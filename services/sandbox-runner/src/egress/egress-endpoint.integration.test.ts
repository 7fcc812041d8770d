// A sandbox's endpoint without a sandbox: the test connects to its socket as the relay does. Servers on the loopback stand in for the outside
// and for a provider of models.

import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import type { ReachedLimit } from '@worktrail/contract/agents';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDialing } from './dialing.ts';
import { type EgressEndpoint, openEgressEndpoint } from './egress-endpoint.ts';
import { createGivenAddresses } from './given-addresses.ts';
import { createModelCalling, type ModelCalling } from './model-calling.ts';
import type { ModelAccess } from './model-calls.ts';
import { createProxying } from './proxying.ts';

let scratch: Scratch;
let outside: Server;
let port: number;
let models: ModelCalling;
let endpoint: EgressEndpoint;
let directory: string;
/** By the number of an open descriptor, as the path is too long; in this process alone. */
let socketPath: string;
let opened: number;
/** What the outside does with the next request. */
let behave: (request: IncomingMessage, socket: Socket) => unknown;
const told: string[] = [];
let limit: ReachedLimit | Error | null;

beforeAll(async () => {
  scratch = await makeScratch('egress-endpoint');
  outside = createServer((request) => behave(request, request.socket));
  outside.listen(0, '127.0.0.1');
  await once(outside, 'listening');
  port = (outside.address() as AddressInfo).port;
  models = createModelCalling();
  // Longer than the path of a socket may be.
  directory = join(scratch.path, 'd'.repeat(120), 'egress');
  await mkdir(join(directory, '..'));
  endpoint = await open();
  opened = openSync(directory, 'r');
  socketPath = `/proc/self/fd/${opened}/socket`;
});
afterAll(async () => {
  await endpoint.close();
  closeSync(opened);
  models.close();
  outside.closeAllConnections();
  outside.close();
  await scratch.remove();
});
beforeEach(() => {
  told.splice(0);
  limit = null;
});

function open(): Promise<EgressEndpoint> {
  const rules = { mode: 'restricted', allow: [`*.example:${port}`, `127.0.0.1:${port}`] } as const;
  const access: ModelAccess = {
    ...{ url: `http://127.0.0.1:${port}/v1`, urlKey: 'the-key', openaiKey: undefined, openaiUrl: undefined },
    ...{
      anthropicKey: 'the-key',
      anthropicUrl: `http://127.0.0.1:${port}/a`,
      googleKey: undefined,
      googleUrl: undefined,
    },
  };
  const resolve = async () => ['127.0.0.1'];
  const dialing = createDialing({ judge: (address) => address === '127.0.0.1', resolve, nameServers: () => [] });
  const given = createGivenAddresses(Date.now);
  const refused = ({ host }: { host: string }, reason: string) => void told.push(`${host} ${reason}`);
  const { signal } = new AbortController();
  return openEgressEndpoint(directory, {
    rules,
    proxying: createProxying({ rules, dialing, given, refused, signal }),
    models,
    access,
    nameServers: () => [],
    resolve,
    given,
    clock: Date.now,
    refused,
    limitReached: async () => {
      if (limit instanceof Error) throw limit;
      return limit;
    },
    used: ({ model, inputTokens, outputTokens }) => void told.push(`${model} ${inputTokens} ${outputTokens}`),
  });
}

async function ask(
  options: { method?: string; path: string; headers?: Record<string, string> },
  body?: string | string[],
) {
  const asked = httpRequest({ socketPath, agent: false, ...options });
  for (const piece of [body ?? []].flat()) asked.write(piece);
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return { response, asked };
}

const at = (host: string, path: string) => ({ path: `http://${host}:${port}${path}` });

test('a request goes out with its path, headers and body, and its answer comes back, hop by hop headers apart', async () => {
  const seen: unknown[] = [];
  behave = async (request, socket) => {
    seen.push(request.method, request.url, request.headers, await text(request));
    socket.end(
      'HTTP/1.1 201 Made\r\nX-Two: a\r\nX-Two: b\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok',
    );
  };
  const headers = { 'x-mine': 'yes', host: 'other.example', 'proxy-authorization': 'Basic x' };
  const { response } = await ask({ method: 'POST', ...at('a.example', '/x/../y?q=|%2e'), headers }, ['one', 'two']);
  expect([response.statusCode, response.statusMessage, await text(response)]).toEqual([201, 'Made', 'ok']);
  expect(response.headers).toMatchObject({ 'x-two': 'a, b', 'content-length': '2' });
  expect(response.headers).not.toHaveProperty('x-hop');
  expect(seen).toEqual([
    'POST',
    '/x/../y?q=|%2e',
    expect.objectContaining({ 'x-mine': 'yes', host: `a.example:${port}` }),
    'onetwo',
  ]);
  expect(seen[2]).not.toHaveProperty('proxy-authorization');
  expect(told).toEqual([]);
});

test('an answer that breaks off, or is none, is no whole answer to who asked', async () => {
  behave = (_, socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  const half = await ask(at('a.example', '/'));
  await expect(text(half.response)).rejects.toThrow(/aborted|closed|reset/i);
  behave = (_, socket) => socket.end('nonsense\r\n\r\n');
  expect((await ask(at('a.example', '/'))).response.statusCode).toBe(502);
  behave = (_, socket) => socket.destroy();
  expect((await ask(at('a.example', '/'))).response.statusCode).toBe(502);
});

test('a tunnel carries both directions to their own ends, and many at once do not mix', async () => {
  behave = async (request, socket) => {
    const body = await buffer(request);
    socket.end(
      `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.toString('latin1')}`,
    );
  };
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const socket = connect(socketPath);
      const body = `${index};`.repeat(20_000);
      socket.write(`CONNECT a.example:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
      socket.write(`POST / HTTP/1.1\r\nHost: y\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      const said = await text(socket);
      return (
        said.startsWith('HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK') &&
        said.endsWith(`\r\n\r\n${body}`)
      );
    }),
  );
  expect(answers).toEqual(Array(50).fill(true));
});

test('a stream of a model passes as it comes; when who asked leaves, the call ends, and what it said of usage is told', async () => {
  let left: Promise<unknown> | undefined;
  behave = (request, socket) => {
    expect(request.headers).toMatchObject({ 'x-api-key': 'the-key', 'anthropic-version': 'v' });
    left = once(socket, 'close');
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nanthropic-organization-id: ours\r\n\r\n');
    socket.write(
      'data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
    );
  };
  const headers = { 'x-api-key': 'mine', 'anthropic-version': 'v' };
  const { response, asked } = await ask({ method: 'POST', path: '/anthropic/v1/messages', headers }, '{}');
  expect(response.headers).not.toHaveProperty('anthropic-organization-id');
  const [first] = (await once(response, 'data')) as [Buffer];
  expect(first.toString()).toContain('message_start');
  response.on('error', () => undefined);
  asked.destroy();
  await left;
  await expect.poll(() => told).toEqual(['m 3 1']);
});

test("what a provider says of the operator's key stays outside, its other errors pass", async () => {
  behave = (_, socket) => socket.end('HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nthe-key..');
  const hidden = await ask({ method: 'POST', path: '/v1/chat/completions' }, '{"stream":true}');
  expect([hidden.response.statusCode, await text(hidden.response)]).toEqual([
    502,
    expect.not.stringContaining('the-key..'),
  ]);
  behave = (_, socket) =>
    socket.end(
      'HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nSet-Cookie: a=b\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow',
    );
  const slow = await ask({ method: 'POST', path: '/v1/responses' }, '{}');
  expect([slow.response.statusCode, await text(slow.response)]).toEqual([429, 'slow']);
  expect(slow.response.headers).toMatchObject({ 'retry-after': '7' });
  expect(slow.response.headers).not.toHaveProperty('set-cookie');
});

test('a call of a model is refused where a limit of the session leaves no room for it, or where that is not known', async () => {
  let calls = 0;
  behave = (_, socket) => {
    calls += 1;
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
  };
  const call = async (path: string) => {
    const { response } = await ask({ method: 'POST', path }, '{}');
    return [response.statusCode, await text(response)];
  };
  expect((await call('/v1/chat/completions'))[0]).toBe(200);
  limit = { name: 'session_tokens', detail: 'the session may take 100 tokens' };
  for (const path of ['/v1/chat/completions', '/v1/responses', '/anthropic/v1/messages'])
    expect(await call(path)).toEqual([403, expect.stringMatching(/session_tokens.*may take 100 tokens/)]);
  limit = new Error('away');
  expect(await call('/v1/chat/completions')).toEqual([503, expect.stringContaining('cannot be read')]);
  expect(calls).toBe(1);
  expect(told).toEqual(Array(3).fill('models limit_reached'));
});

test('a name that is allowed is answered, and its address may be connected to then; others are refused', async () => {
  const question = (name: string) =>
    Buffer.concat([
      Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      ...name.split('.').map((label) => Buffer.from(`${String.fromCodePoint(label.length)}${label}`)),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
  const askFor = async (name: string) => {
    const asked = httpRequest({ socketPath, agent: false, method: 'POST', path: '/dns-query' });
    asked.end(question(name));
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return buffer(response);
  };
  expect((await askFor('a.example')).subarray(-4)).toEqual(Buffer.from([127, 0, 0, 1]));
  expect((await askFor('a.other'))[3]).toBe(0x85);
  expect(told).toEqual(['a.other not_allowed']);
});

test('closing ends every connection, and the next one is found at the same place', async () => {
  behave = () => undefined;
  const idle = connect(socketPath);
  const tunnel = connect(socketPath);
  tunnel.write(`CONNECT a.example:${port} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(tunnel, 'data');
  const ended = Promise.all([idle, tunnel].map((socket) => once(socket.resume(), 'close')));
  await endpoint.close();
  await ended;
  endpoint = await open();
  behave = (_, socket) => socket.end('HTTP/1.1 204 None\r\n\r\n');
  expect((await ask(at('a.example', '/'))).response.statusCode).toBe(204);
});

test.each([
  ['a name to be found', '/dns-query'],
  ['a call of a model', '/v1/chat/completions'],
  ['a call of a model that is passed on as it comes', '/v1/responses'],
])('%s of which the body breaks off is told as aborted, once', async (_, path) => {
  behave = (request, socket) => request.on('error', () => undefined).on('close', () => socket.destroy());
  const socket = connect(socketPath);
  socket.end(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf`);
  await text(socket);
  await expect.poll(() => told).toEqual([' aborted']);
  const { response } = await ask({ method: 'POST', path: '/v1/other' }, '{}');
  expect(response.statusCode).toBe(403);
  expect(told).toEqual([' aborted', 'models model_path']);
});

test('a name that is asked for in too many bytes is told as malformed', async () => {
  const { response } = await ask({ method: 'POST', path: '/dns-query' }, 'x'.repeat(2_000));
  expect(response.statusCode).toBe(400);
  expect(told).toEqual([' malformed']);
});

test('requests to models are held up to a bound, in all of a sandbox', async () => {
  const piece = Buffer.alloc(1024 * 1024, 'x');
  const asked = Array.from({ length: 3 }, () => {
    const one = httpRequest({ socketPath, agent: false, method: 'POST', path: '/v1/chat/completions' });
    one.on('error', () => undefined);
    for (let sent = 0; sent < 25; sent += 1) one.write(piece);
    return one;
  });
  const [refused] = (await Promise.any(asked.map((one) => once(one, 'response')))) as [IncomingMessage];
  expect([refused.statusCode, await text(refused)]).toEqual([429, expect.stringContaining('together')]);
  for (const one of asked) one.destroy();
});

test('who is still sending a head that is too large gets the answer to it, whole and not reset', async () => {
  const answers = Array.from({ length: 20 }, async () => {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    socket.write(`GET http://a.example:${port}/ HTTP/1.1\r\nX: ${'a'.repeat(40_000)}`);
    const rest = new Promise((resolve) => socket.write(`${'a'.repeat(300_000)}\r\n\r\n`, resolve));
    const answer = await text(socket);
    socket.destroy();
    await rest;
    return answer.split('\r\n')[0];
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['HTTP/1.1 431 Request Header Fields Too Large']));
});
