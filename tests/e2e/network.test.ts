// What a session's commands may reach (environment.network), and what its history says of what they may not.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createApi, hibernate, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
let repositoryPath: string;
let host: Server;
let hostPort: number;

beforeAll(async () => {
  repositoryPath = (await makeRepository(join(inject('repositoryRoot'), 'network'), 3)).path;
  host = createServer((_, response) => response.end('the host answers\n'));
  await new Promise<void>((resolve) => host.listen(0, '0.0.0.0', resolve));
  hostPort = (host.address() as AddressInfo).port;
});
afterAll(() => host.close());

async function newSession(network: object): Promise<any> {
  const environment = { network, setup: ['echo "[$HTTP_PROXY]" > /tmp/at-setup'] };
  const project = await api.make('/v1/projects', { name: 'network', repository: { url: repositoryPath }, environment });
  return api.make(`/v1/projects/${project.id}/sessions?waitSeconds=280`, {});
}

async function output(session: any, command: string): Promise<string> {
  return (await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, { command })).output.text;
}

const connect = (address: string, port: number) =>
  `timeout 10 bash -c 'exec 3<>/dev/tcp/${address}/${port} && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 && head -c 99 <&3 | grep -a .' 2>/dev/null || echo nothing`;
const addresses = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .filter(({ family, internal }) => family === 'IPv4' && !internal)
  .map(({ address }) => address);

async function refused(session: any): Promise<unknown[]> {
  const events = await readHistory(api, session.id);
  return events.flatMap(({ type, data }) => (type === 'egress.refused' ? [data] : []));
}

test('restricted: an attempt to reach what is not allowed is an event of the session, before and after it slept', async () => {
  const session = await newSession({ mode: 'restricted', allow: ['allowed.example:443'] });
  expect(session).toMatchObject({ state: 'ready' });
  expect(await output(session, 'cat /tmp/at-setup')).toBe('[http://127.0.0.1:20480]\n');
  const ask = `exec 3<>/dev/tcp/127.0.0.1/20480; printf 'CONNECT example.org:443 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; head -n 1 <&3`;
  expect(await output(session, `bash -c "${ask}"`)).toMatch(/^HTTP\/1.1 403 /);
  const first = { host: 'example.org', port: 443, reason: 'not_allowed', count: 1 };
  await expect.poll(() => refused(session)).toEqual([first]);

  await hibernate(api, session.id);
  expect(await output(session, connect(addresses[0] ?? '', hostPort))).toBe('nothing\n');
  const second = { host: addresses[0], port: hostPort, reason: 'not_allowed', count: 1 };
  await expect.poll(() => refused(session)).toEqual([first, second]);
});

test.each(['none', 'open'])('%s: nothing of this host is reached', async (mode) => {
  const session = await newSession({ mode });
  expect(await output(session, 'ls /sys/class/net; cat /tmp/at-setup')).toBe('lo\n[]\n');
  for (const address of ['127.0.0.1', ...addresses])
    expect([address, await output(session, connect(address, hostPort))]).toEqual([address, 'nothing\n']);
  const expected = addresses.map((host) => ({ host, port: hostPort, reason: 'private_address', count: 1 }));
  if (mode === 'open') await expect.poll(() => refused(session)).toEqual(expected);
});
