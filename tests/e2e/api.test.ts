import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createApi } from './api.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** Answers the first request like that, and all others with `{}`. */
async function answering(first: RequestListener) {
  const keys: unknown[] = [];
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key']);
    if (keys.length === 1) first(request, response);
    else response.end('{}');
  });
  await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { api: createApi(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'key'), keys };
}

const refused = (code: string, detail = ''): RequestListener => {
  return (_, response) => void response.writeHead(503, { 'retry-after': '1' }).end(JSON.stringify({ code, detail }));
};

test.each([
  ['short', ''],
  ['long', 'x'.repeat(1_000_000)],
])('what is to succeed is asked again, under one key, after a %s refusal of any code', async (_, detail) => {
  const { api, keys } = await answering(refused('limit_reached', detail));
  expect(await api.make('/')).toEqual({});
  expect(keys).toEqual([expect.any(String), keys[0]]);
});

test('a part that is away is asked again, and another refusal is answered as it came', async () => {
  const away = await answering(refused('dependency_unavailable'));
  expect(await away.api.post('/')).toMatchObject({ status: 200, body: {} });
  const limited = await answering(refused('limit_reached'));
  const answer = await limited.api.post('/');
  expect(answer).toMatchObject({ status: 503, body: { code: 'limit_reached' } });
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(limited.keys).toHaveLength(1);
});

test.each<[string, RequestListener]>([
  ['is reset', ({ socket }) => void socket.resetAndDestroy()],
  [
    'ends within its body',
    (_, response) => {
      response.writeHead(503, { 'retry-after': '1', 'content-length': '100' }).flushHeaders();
      response.write('{', () => response.destroy());
    },
  ],
])('an answer that %s is a failure, and nothing waits for the rest of it', async (_, cut) => {
  const { api } = await answering(cut);
  await expect(api.make('/')).rejects.toThrow();
});
