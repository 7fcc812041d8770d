import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { listServedModels } from './served-models.ts';

async function askServer(status: number, body: string) {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url, request.headers.authorization);
    response.writeHead(status, { location: '/elsewhere' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`;
  try {
    return { models: await listServedModels(url, 'k'), asked };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('a server is asked for its models with its key, and names them in its order', async () => {
  const answer = await askServer(
    200,
    JSON.stringify({ object: 'list', data: [{ id: 'b', owned_by: 'x' }, { id: 'a' }] }),
  );
  expect(answer).toEqual({ models: ['b', 'a'], asked: ['/v1/models', 'Bearer k'] });
});

test.each([
  ['refuses', 401, '{}'],
  ['leads elsewhere', 302, ''],
  ['answers with something else', 200, '<html>'],
  ['lists no models', 200, '{"data":[{"name":"x"}]}'],
  ['answers without end', 200, `{"data":[{"id":"${'x'.repeat(2 * 1024 * 1024)}"}]}`],
])('of one that %s none are known', async (_, status, body) => {
  expect((await askServer(status, body)).models).toEqual([]);
});

test('of one that is not there none are known', async () => {
  expect(await listServedModels('http://127.0.0.1:1/v1', undefined)).toEqual([]);
});
