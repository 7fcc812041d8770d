// Connections by address that was judged, against servers on this host's loopback.

import { createServer, type AddressInfo, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AddressRefused, createDialing, Unreachable } from './dialing.ts';
import { nameServerAddress } from './sandbox-network.ts';

let server: Server;
let port: number;
beforeAll(async () => {
  server = createServer((socket) => socket.end(String(socket.localAddress)));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => void server.close());

const { signal } = new AbortController();
const dialing = createDialing({
  judge: (address) => address === '127.0.0.2' || address === '127.0.0.3',
  resolve: async (host) => {
    if (host === 'both.example') return ['127.0.0.1', '::ffff:127.0.0.2', 'nonsense', '127.0.0.3'];
    return host === 'private.example' ? ['127.0.0.1', '::1'] : [];
  },
  nameServers: () => [`127.0.0.1:${port}`],
});
const reach = async (host: string, to = port) => text(await dialing.connect({ host, port: to }, signal));

test('of the addresses of a name, only those that were judged well are connected to', async () => {
  expect(await reach('both.example')).toBe('127.0.0.2');
  expect(await reach('127.0.0.3')).toBe('127.0.0.3');
  for (const host of ['private.example', '127.0.0.1', '::1']) await expect(reach(host)).rejects.toThrow(AddressRefused);
});

test('a name without an address and a port that nobody answers are unreachable, not refused', async () => {
  await expect(reach('nowhere.example')).rejects.toThrow(Unreachable);
  await expect(reach('127.0.0.2', 1)).rejects.toThrow(Unreachable);
});

test("the sandbox's name server stands for this host's, by TCP too", async () => {
  expect(await reach(nameServerAddress, 53)).toBe('127.0.0.1');
  await expect(reach(nameServerAddress, 80)).rejects.toThrow(AddressRefused);
});

test('who has left connects to nothing', async () => {
  await expect(dialing.connect({ host: '127.0.0.2', port }, AbortSignal.abort())).rejects.toThrow();
});
