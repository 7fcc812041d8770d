import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { createLifetime } from '@worktrail/runtime/lifetime';
import { createLogger } from '@worktrail/runtime/log';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHttpServer } from './server.ts';

const lifetime = createLifetime(createLogger({ service: 'test', level: 'silent' }));
let port: number;

beforeAll(async () => {
  const starting = (request: Request) => {
    if (new URL(request.url).pathname === '/begun') return new Response(new ReadableStream({ pull: () => undefined }));
    return new Response('fine');
  };
  ({ port } = await startHttpServer({ host: '127.0.0.1', port: 0, starting }, lifetime));
});
afterAll(() => lifetime.close());

/** All that comes back until the server closes the connection. */
async function exchange(request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(request);
  return await text(socket);
}

test.each([
  ['an address over the bound', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431, 'headers_too_large'],
  ['headers over the bound', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ['what is no HTTP', 'EHLO x\r\n\r\n', 400, 'malformed_request'],
])('%s is a problem like any other', async (_what, request, status, code) => {
  const [head = '', body = ''] = (await exchange(request)).split('\r\n\r\n');
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(head).toContain('content-type: application/problem+json');
  const id = /^x-request-id: (.+)$/m.exec(head)?.[1];
  expect(JSON.parse(body)).toMatchObject({ status, code, instance: id?.trim() });
});

test('an answer that has begun is not written into', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /begun HTTP/1.1\r\nHost: x\r\n\r\n');
  let seen = '';
  for await (const chunk of socket.setEncoding('utf8')) {
    if (seen === '') socket.write('EHLO x\r\n\r\n');
    seen += chunk;
  }
  expect(seen).toMatch(/^HTTP\/1.1 200 /);
  expect(seen).not.toContain('problem');
});
