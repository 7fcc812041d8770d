import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

let echo: Server;
let proxy: TcpProxy;
let isKnown: boolean;

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  isKnown = true;
  const target = { host: '127.0.0.1', port: (echo.address() as AddressInfo).port };
  proxy = await startTcpProxy(async () => (isKnown ? target : null));
});

afterEach(async () => {
  await proxy.close();
  echo.close();
});

function open(): Socket {
  return connect({ host: '127.0.0.1', port: proxy.port }).on('error', () => undefined);
}

async function answer(socket: Socket): Promise<string> {
  socket.write('hello');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return bytes.toString();
}

test('bytes pass both ways', async () => {
  const socket = open();
  expect(await answer(socket)).toBe('hello');
  socket.destroy();
});

test('a cut breaks what is open and what comes, until it is mended', async () => {
  const before = open();
  await answer(before);
  const broken = once(before, 'close');
  proxy.cut();
  await broken;
  await once(open(), 'close');
  proxy.mend();
  expect(await answer(open())).toBe('hello');
});

test('a drop breaks what is open, and takes what comes', async () => {
  const before = open();
  await answer(before);
  const broken = once(before, 'close');
  proxy.drop();
  await broken;
  expect(await answer(open())).toBe('hello');
});

test('what has no target yet is broken', async () => {
  isKnown = false;
  await once(open(), 'close');
});
