import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openServer } from './server.ts';

let asked: { url: URL; body: Buffer }[] = [];
let status = 200;
const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  asked.push({ url: new URL(request.url!, 'http://server'), body: await bodyOf(request) });
  response
    .writeHead(status)
    .end(status === 200 ? '' : 'Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)');
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

function open() {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return openServer({ kind: 'server', url, database: 'traces', user: 'u', password: 'p' }, {});
}

const rows = Buffer.from([3, 0xff, 0x00, 0x7b, 10]);

test('rows are the body of the request, byte for byte, beside a statement that names the token', async () => {
  asked = [];
  status = 200;
  const connection = open();
  await connection.insertBinary('events_v1', { columns: ['body', 'offset'], rows }, "0-1-it's");
  await connection.close();
  expect(asked).toHaveLength(1);
  expect(asked[0]!.body).toEqual(rows);
  expect(asked[0]!.url.searchParams.get('query')?.replace(/\s+/g, ' ')).toBe(
    "INSERT INTO events_v1 (`body`, `offset`) SETTINGS insert_deduplication_token = '0-1-it\\'s', optimize_on_insert = 0 FORMAT RowBinary",
  );
  expect(asked[0]!.url.searchParams.get('database')).toBe('traces');
});

test('rows that the server refuses fail', async () => {
  status = 500;
  const connection = open();
  await expect(connection.insertBinary('t', { columns: ['a'], rows }, 'token')).rejects.toThrow('Cannot read all data');
  await connection.close();
});
