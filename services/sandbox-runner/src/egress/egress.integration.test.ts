// A sandbox with a network, on a real engine: what it reaches, what it does not, and what its history says of it. Servers of this host stand
// in for the outside, on addresses that the operator has allowed.

import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Environment } from '@worktrail/contract/environment';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  activityRun,
  newCommand,
  newSession,
  noModels,
  outputOf,
  plainEnvironment,
  type RunnerBench,
  startRunnerBench,
} from '../runner-bench.ts';

let bench: RunnerBench;
let outside: Server;
let outsidePort: number;
let forbiddenPort: number;
const closing: (() => void)[] = [];
const { signal } = new AbortController();

beforeAll(async () => {
  outside = createServer((request, response) =>
    response.end(`${request.method} ${request.url} ${request.headers.host}\n`),
  );
  outsidePort = await listen(outside);
  const forbidden = createTcpServer((socket) => socket.end('the host answers\n'));
  forbiddenPort = await listen(forbidden);
  bench = await startRunnerBench('egress', 'fifo', {
    egress: { privateAllowed: [`127.0.0.1:${outsidePort}`], models: noModels },
  });
}, 60_000);
afterAll(async () => {
  await bench.close();
  for (const close of closing) close();
}, 60_000);

async function listen(server: Pick<Server, 'listen' | 'address' | 'close'>): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '0.0.0.0', resolve));
  closing.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function openWith(network: Environment['network']): Promise<OpenSandboxInput> {
  const session = newSession(bench, { environment: { ...plainEnvironment, network } });
  await bench.parts().sandboxes.open(session, signal);
  return session;
}

async function output(session: OpenSandboxInput, text: string): Promise<string> {
  const command = newCommand(session, text);
  await bench.parts().commands.run(command, activityRun());
  return outputOf(await bench.events(command)).toString();
}

async function refusals(session: OpenSandboxInput): Promise<string[]> {
  const events = await bench.eventsOf(session, 'runner-1');
  return events.flatMap(({ payload }) =>
    payload.case === 'egressRefused' ? [`${payload.value.host}:${payload.value.port} ${payload.value.reason}`] : [],
  );
}

/** In bash alone: the image need not have a client. */
const connect = (address: string, port: number, say = '') =>
  `timeout 5 bash -c 'exec 3<>/dev/tcp/${address}/${port} && printf "${say}" >&3 && head -c 300 <&3' 2>/dev/null || echo nothing`;
const byProxy = (request: string) => connect('127.0.0.1', 20_480, `${request}\\r\\nConnection: close\\r\\n\\r\\n`);

test('restricted: what the project allows is reached through the proxy, everything else is refused and told', async () => {
  const session = await openWith({
    mode: 'restricted',
    allow: [`127.0.0.1:${outsidePort}`, `127.0.0.1:${forbiddenPort}`],
  });
  expect(await output(session, 'echo $HTTP_PROXY $https_proxy')).toBe(
    'http://127.0.0.1:20480 http://127.0.0.1:20480\n',
  );
  const at = `127.0.0.1:${outsidePort}`;
  expect(await output(session, byProxy(`GET http://${at}/some?q=1 HTTP/1.1\\r\\nHost: other.example`))).toMatch(
    new RegExp(`^HTTP/1.1 200 OK\r\n[^]*GET /some\\?q=1 ${at}\n`),
  );
  const inTunnel = `CONNECT ${at} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /in HTTP/1.1\\r\\nHost: me`;
  expect(await output(session, byProxy(inTunnel))).toMatch(/^HTTP\/1.1 200 [^]*HTTP\/1.1 200 OK[^]*GET \/in me\n/);
  expect(await output(session, byProxy('CONNECT example.org:443 HTTP/1.1\\r\\nHost: x'))).toMatch(
    /^HTTP\/1.1 403 [^]*example.org:443 is not in the network.allow/,
  );
  // Allowed by the project, but not by the operator.
  expect(await output(session, byProxy(`GET http://127.0.0.1:${forbiddenPort}/ HTTP/1.1\\r\\nHost: x`))).toMatch(
    /^HTTP\/1.1 403 [^]*is an address that sandboxes do not reach/,
  );
  await expect
    .poll(() => refusals(session))
    .toEqual(['example.org:443 not_allowed', `127.0.0.1:${forbiddenPort} private_address`]);
}, 60_000);
