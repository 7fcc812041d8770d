import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createAddressJudge } from '@worktrail/runtime/addresses';
import { postWebhook, retryAfterMsOf } from './post-webhook.ts';

const nobody = new Set<string>();
const judge = (...allowed: string[]) => createAddressJudge(() => nobody, allowed);
const body = Buffer.from('{}');

async function listening(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

it('reaches the address that was judged, whatever the name leads to afterwards', async () => {
  const hosts: (string | undefined)[] = [];
  const port = await listening((request, response) => {
    hosts.push(request.headers.host);
    response.writeHead(204).end();
  });
  let asked = 0;
  const resolve = async () => (asked++ === 0 ? ['127.0.0.1'] : ['10.0.0.1']);
  const deps = { judge: judge(`127.0.0.1:${port}`), resolve };
  expect(await postWebhook(deps, `http://hooks.example:${port}/`, {}, body)).toMatchObject({ status: 204 });
  expect(asked).toBe(1);
  expect(hosts).toEqual([`hooks.example:${port}`]);
});

it.each([
  ['a private address', 'https://hooks.example/', ['10.0.0.1', '::ffff:192.168.0.1', 'fd00::1'], /no address that may/],
  ['the metadata service', 'https://169.254.169.254/', [], /no address that may/],
  ['loopback in another spelling', 'https://0x7f.1/', [], /no address that may/],
  ['a name without an address', 'https://hooks.example/', [], /has no address/],
  ['plain http to a public address', 'http://hooks.example/', ['1.1.1.1'], /by https alone/],
])('does not reach %s', async (_, url, addresses, detail) => {
  const deps = { judge: judge(), resolve: async () => [...addresses] };
  expect(await postWebhook(deps, url, {}, body)).toMatchObject({ status: null, detail: expect.stringMatching(detail) });
});

it('tells what was wrong, and nothing of where a redirect leads', async () => {
  const port = await listening((request, response) => {
    if (request.url === '/moved') response.writeHead(307, { location: 'http://127.0.0.1/' }).end('elsewhere');
    else response.writeHead(503, { 'retry-after': '120' }).end('later');
  });
  const deps = { judge: judge('127.0.0.1:*'), resolve: async () => [] };
  const post = (path: string) => postWebhook(deps, `http://127.0.0.1:${port}${path}`, {}, body);
  expect(await post('/')).toEqual({ status: 503, detail: 'later', retryAfterMs: 120_000 });
  expect(await post('/moved')).toEqual({ status: 307, detail: 'redirects are not followed', retryAfterMs: 0 });
});

it('understands Retry-After as seconds or as a date, up to a day', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  expect(retryAfterMsOf('5', nowMs)).toBe(5_000);
  expect(retryAfterMsOf('Thu, 01 Jan 2026 00:01:00 GMT', nowMs)).toBe(60_000);
  expect(retryAfterMsOf('999999999', nowMs)).toBe(86_400_000);
  for (const none of [undefined, 'soon', '-5', 'Thu, 01 Jan 2025 00:01:00 GMT'])
    expect(retryAfterMsOf(none, nowMs)).toBe(0);
});
