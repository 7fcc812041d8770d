// A sandbox with a network, on a real engine: what it reaches, what it does not, and what its history says of it.

import { mkdir, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from '@worktrail/contract/environment';
import type { OpenSandboxInput } from '@worktrail/contract/sandbox-activities';
import { sessionKey } from '@worktrail/contract/subjects';
import type { TokenUsage } from '@worktrail/contract/turns';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
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
import { openOutside, type Outside } from './outside.ts';

let bench: RunnerBench;
let outside: Outside;
/** A server of this host that the operator lets sandboxes reach, and one that he does not. */
let allowedPort: number;
let forbiddenPort: number;
/** What the model's provider was asked, and what it answers. */
const asked: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
let modelAnswer: { status: number; type: string; pieces: string[] };
/** What sessions were told of models that they called. */
const counted = new Map<string, TokenUsage>();
const unbounded = { contextTokens: null, outputTokensMax: null };
const closing: (() => void)[] = [];
const { signal } = new AbortController();

beforeAll(async () => {
  outside = await openOutside();
  allowedPort = await listen(
    createHttpServer((request, response) => response.end(`${request.method} ${request.url} ${request.headers.host}\n`)),
  );
  forbiddenPort = await listen(createServer((socket) => socket.end('the host answers\n')));
  const provider = await listen(
    createHttpServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        asked.push({ url: request.url ?? '', headers: request.headers, body });
        response.writeHead(modelAnswer.status, {
          'content-type': modelAnswer.type,
          'openai-organization': 'org-operator',
        });
        for (const piece of modelAnswer.pieces) response.write(piece);
        response.end();
      });
    }),
  );
  bench = await startRunnerBench('egress', 'fifo', {
    egress: {
      privateAllowed: [`127.0.0.1:${allowedPort}`],
      named: { priced: { provider: 'custom', id: 'priced', price: { input: 1e6, output: 2e6 }, ...unbounded } },
      tellModelsCalled: async (sessionId, { used }) => void counted.set(sessionId, used),
      models: { ...noModels, url: `http://127.0.0.1:${provider}/v1`, urlKey: 'the-operators-key' },
      resolve: async (host) =>
        host === 'outside.example' ? [outside.address] : host === 'rebound.example' ? ['127.0.0.1'] : [],
      nameServers: () => [outside.nameServer],
    },
  });
});
afterAll(async () => {
  await bench.close();
  for (const close of closing) close();
  await outside.close();
});

async function listen(server: Server): Promise<number> {
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

async function told(session: OpenSandboxInput): Promise<string[]> {
  const events = await bench.eventsOf(session, 'runner-1');
  return events.flatMap(({ payload: { case: kind, value } }) => {
    if (kind === 'egressRefused') return [`${value.host}:${value.port} ${value.reason}`];
    if (kind === 'limitReached') return [`${value.limit}: ${value.detail}`];
    if (kind !== 'usage') return [];
    const { model, inputTokens, outputTokens, cachedInputTokens, costUsd } = value;
    return [`${model} ${inputTokens} ${outputTokens} ${cachedInputTokens}${costUsd > 0 ? ` ${costUsd} USD` : ''}`];
  });
}

/** In bash alone: the image need not have a client. Prints what came back, or "nothing". */
const connect = (address: string, port: number, say = '') =>
  `timeout 10 bash -c 'exec 3<>/dev/tcp/${address}/${port} && printf "${say}" >&3 && head -c 2000 <&3 | grep -a .' 2>/dev/null || echo nothing`;
const byProxy = (request: string) => connect('127.0.0.1', 20_480, `${request}\\r\\nConnection: close\\r\\n\\r\\n`);
const post = (path: string, body: object) => {
  const json = JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer mine\\r\\nContent-Type: application/json\\r\\nContent-Length: ${json.length}`;
  return connect('127.0.0.1', 20_480, `${head}\\r\\nConnection: close\\r\\n\\r\\n${json.replaceAll('"', '\\"')}`);
};

const hostAddresses = () =>
  Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address),
  );

test('restricted: what the project allows is reached through the proxy, everything else is refused and told', async () => {
  const allow = [
    `127.0.0.1:${allowedPort}`,
    `127.0.0.1:${forbiddenPort}`,
    `*.example:${outside.port}`,
    'rebound.example:80',
  ];
  const session = await openWith({ mode: 'restricted', allow });
  expect(await output(session, 'echo $HTTP_PROXY $https_proxy')).toBe(
    'http://127.0.0.1:20480 http://127.0.0.1:20480\n',
  );

  const at = `127.0.0.1:${allowedPort}`;
  expect(await output(session, byProxy(`GET http://${at}/some?q=1 HTTP/1.1\\r\\nHost: other.example`))).toMatch(
    new RegExp(`^HTTP/1.1 200 OK\r\n[^]*GET /some\\?q=1 ${at}\n`),
  );
  const inTunnel = `CONNECT ${at} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /in HTTP/1.1\\r\\nHost: me`;
  expect(await output(session, byProxy(inTunnel))).toMatch(/^HTTP\/1.1 200 [^]*HTTP\/1.1 200 OK[^]*GET \/in me\n/);
  const named = `CONNECT outside.example:${outside.port} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nhello`;
  expect(await output(session, byProxy(named))).toMatch(/^HTTP\/1.1 200 [^]*outside hello\n/);

  // A program that knows of no proxy asks for the address, and connects to that; to what is allowed of it.
  expect(await output(session, connect('outside.example', outside.port, 'directly\\n'))).toBe('outside directly\n');
  expect(await output(session, connect('outside.example', outside.port + 1))).toBe('nothing\n');

  expect(await output(session, byProxy('CONNECT example.org:443 HTTP/1.1\\r\\nHost: x'))).toMatch(
    /^HTTP\/1.1 403 [^]*example.org:443 is not in the network.allow/,
  );
  // By the project, but not by the operator: its own address, and a name that leads to it.
  for (const to of [`127.0.0.1:${forbiddenPort}`, 'rebound.example:80'])
    expect(await output(session, byProxy(`GET http://${to}/ HTTP/1.1\\r\\nHost: x`))).toMatch(
      /^HTTP\/1.1 403 [^]*is an address that sandboxes do not reach/,
    );
  const expected = [
    `${outside.address}:${outside.port + 1} not_allowed`,
    'example.org:443 not_allowed',
    `127.0.0.1:${forbiddenPort} private_address`,
    'rebound.example:80 private_address',
  ];
  await expect.poll(() => told(session)).toEqual(expected);
});

test('restricted: nothing is reached around the proxy, and what was tried is told', async () => {
  const session = await openWith({ mode: 'restricted', allow: [`${outside.address}:1`] });
  const other = await openWith({ mode: 'open', allow: [] });
  const serve = `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 7777, Listen => 5) or die; while ($c = $s->accept) { print $c "the other one\\n"; close $c }'`;
  await output(
    other,
    `(setsid ${serve} >/dev/null 2>&1 &); until bash -c "exec 3<>/dev/tcp/127.0.0.1/7777" 2>/dev/null; do sleep 0.1; done`,
  );
  for (const address of ['127.0.0.1', '198.18.0.1']) {
    expect(await output(other, connect(address, 7777))).toBe('the other one\n');
    expect(await output(session, connect(address, 7777))).toBe('nothing\n');
  }
  expect(await output(session, 'ls /sys/class/net')).toBe('lo\n');
  for (const address of [...hostAddresses().filter((one) => one !== '127.0.0.1'), outside.address, '169.254.169.254'])
    expect([address, await output(session, connect(address, forbiddenPort))]).toEqual([address, 'nothing\n']);
  expect(await output(session, connect('127.0.0.1', forbiddenPort))).toBe('nothing\n');
  // A datagram is refused at once, a name is not resolved.
  const datagram = 'exec 3<>/dev/udp/9.9.9.9/123; echo x >&3; echo x >&3 && echo sent || echo refused';
  expect(await output(session, `bash -c '${datagram}' 2>/dev/null`)).toBe('refused\n');
  expect(await output(session, 'time -p timeout 20 getent ahosts outside.example >/dev/null 2>&1; echo $?')).toMatch(
    /^2\n/m,
  );
  await expect
    .poll(() => told(session))
    .toEqual(
      expect.arrayContaining([
        `${outside.address}:${forbiddenPort} not_allowed`,
        `169.254.169.254:${forbiddenPort} not_allowed`,
        'outside.example:53 not_allowed',
      ]),
    );
});

test('open: programs reach the outside by address and by name without knowing of a proxy, but not this host nor what is private', async () => {
  const session = await openWith({ mode: 'open', allow: [] });
  expect(await output(session, 'echo "[$HTTP_PROXY]"; ls /sys/class/net')).toBe('[]\nlo\n');
  expect(await output(session, connect(outside.address, outside.port, 'by address\\n'))).toBe('outside by address\n');
  expect(await output(session, connect('outside.example', outside.port, 'by name\\n'))).toBe('outside by name\n');
  for (const address of [...hostAddresses().filter((one) => one !== '127.0.0.1'), outside.hostAddress])
    expect([address, await output(session, connect(address, forbiddenPort))]).toEqual([address, 'nothing\n']);
  for (const address of ['169.254.169.254', '10.255.255.53', '172.17.0.1'])
    expect([address, await output(session, connect(address, 80))]).toEqual([address, 'nothing\n']);
  await expect
    .poll(() => told(session))
    .toEqual(
      expect.arrayContaining([
        `${outside.hostAddress}:${forbiddenPort} private_address`,
        '169.254.169.254:80 private_address',
      ]),
    );
});

test('a restart of the runner loses no new connection, and killing everything in the sandbox does not end its network', async () => {
  const session = await openWith({ mode: 'open', allow: [] });
  await output(session, 'kill -9 -1');
  const command = newCommand(
    session,
    `for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ${connect(outside.address, outside.port, '$i\\n')}; sleep 0.3; done`,
  );
  const control = new AbortController();
  const before = bench
    .parts()
    .commands.run(command, activityRun({ signal: control.signal }))
    .catch(() => undefined);
  await delay(1_500);
  control.abort();
  await bench.restart();
  await before;
  await bench.parts().commands.run(command, activityRun());
  const said = outputOf(await bench.events(command))
    .toString()
    .trim()
    .split('\n');
  expect(said.filter((line) => line === 'nothing').length).toBeLessThanOrEqual(1);
  expect(said).toHaveLength(12);
});

test('what is no proper request is refused, told, and holds up nobody', async () => {
  const session = await openWith({ mode: 'restricted', allow: [`127.0.0.1:${allowedPort}`] });
  const at = `127.0.0.1:${allowedPort}`;
  const huge = `H='X: '$(head -c 40000 /dev/zero | tr '\\0' a); exec 3<>/dev/tcp/127.0.0.1/20480; printf 'GET http://${at}/ HTTP/1.1\\r\\n%s\\r\\n\\r\\n' "$H" >&3; head -n 1 <&3`;
  expect(await output(session, `timeout 10 bash -c "${huge.replaceAll('"', '\\"').replaceAll('$', '\\$')}"`)).toBe(
    'HTTP/1.1 431 Request Header Fields Too Large\r\n',
  );
  const smuggled = `POST http://${at}/ HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 4\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /x HTTP/1.1`;
  expect(await output(session, byProxy(smuggled))).toMatch(/^HTTP\/1.1 400 /);
  for (const target of ['user@example.org:80', 'example.org', '[::1', ''])
    expect(await output(session, byProxy(`CONNECT ${target} HTTP/1.1\\r\\nHost: x`))).toMatch(
      /^HTTP\/1.1 400 |^nothing/,
    );
  for (const url of [`http://a:b@${at}/`, 'ftp://example.org/', `https://${at}/`])
    expect(await output(session, byProxy(`GET ${url} HTTP/1.1\\r\\nHost: x`))).toMatch(/^HTTP\/1.1 400 /);
  // Heads that never end, as many as there are connections: they go after a while, and others get their turn.
  const slow = `for i in {1..256}; do exec {fd}<>/dev/tcp/127.0.0.1/20480 && printf "GET " >&$fd; done; sleep 60`;
  await output(session, `(setsid bash -c '${slow}' >/dev/null 2>&1 &); sleep 1`);
  const late = `for i in 1 2 3; do ${byProxy(`GET http://${at}/late HTTP/1.1\\r\\nHost: x`)}; done | grep -c /late`;
  expect(Number(await output(session, late))).toBeGreaterThan(0);
  await expect.poll(() => told(session)).toEqual(expect.arrayContaining([':0 malformed']));
});

test('a call of a model passes with the key of the operator as it streams, and its usage is told; nothing else of the provider is reached', async () => {
  const session = await openWith({ mode: 'restricted', allow: [] });
  expect(await output(session, 'echo $OPENAI_BASE_URL; env | grep -c operators; echo $NO_PROXY')).toBe(
    'http://127.0.0.1:20480/v1\n0\nlocalhost,127.0.0.1,::1\n',
  );
  modelAnswer = {
    status: 200,
    type: 'text/event-stream',
    pieces: [
      'data: {"model":"scripted","choices":[{"delta":{"content":"hel"}}]}\n\n',
      'data: {"model":"scripted","choices":[{"delta":{"content":"lo"}}]}\n\ndata: {"model":"scripted","choices":[],',
      '"usage":{"prompt_tokens":7,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3}}}\n\n',
      'data: [DONE]\n\n',
    ],
  };
  const streamed = await output(session, post('/v1/chat/completions', { model: 'scripted', stream: true }));
  expect(streamed).toMatch(/^HTTP\/1.1 200 OK[^]*"hel"[^]*"lo"[^]*\[DONE\]/);
  expect(streamed).not.toMatch(/prompt_tokens|org-operator|operators-key/);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({
    url: '/v1/chat/completions',
    headers: { authorization: 'Bearer the-operators-key' },
  });
  expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({ stream_options: { include_usage: true } });

  modelAnswer = {
    status: 401,
    type: 'application/json',
    pieces: ['{"error":{"message":"Incorrect key: the-op***key"}}'],
  };
  const refused = await output(session, post('/v1/chat/completions', { model: 'scripted' }));
  expect(refused).toMatch(/^HTTP\/1.1 502 [^]*does not take the operator's key/);
  expect(refused).not.toContain('the-op***');

  modelAnswer = { status: 200, type: 'application/json', pieces: ['{"model":"e","usage":{"prompt_tokens":5}}'] };
  expect(await output(session, post('/v1/embeddings', { input: 'x' }))).toMatch(/^HTTP\/1.1 200 /);
  expect(await output(session, post('/v1/files', {}))).toMatch(/^HTTP\/1.1 403 [^]*no call of a model/);
  expect(await output(session, post('/anthropic/v1/messages', {}))).toMatch(/^HTTP\/1.1 403 [^]*has no key/);
  expect(asked).toHaveLength(3);
  await expect
    .poll(() => told(session))
    .toEqual(['scripted 7 2 3', 'e 5 0 0', 'models:0 model_path', 'models:0 model_missing']);
});

test('a call of a model costs what the operator says, is told to the session, and the next is refused where its limit is reached', async () => {
  const session = await openWith({ mode: 'restricted', allow: [] });
  const documented = async (tokens: number) => {
    const agentLimits = { steps: null, tokens: 100, costUsd: null, seconds: null };
    const agentUsage = { steps: 0, tokens, costUsd: 0, seconds: 0 };
    const key = sessionKey(session.organizationId, session.sessionId);
    await bench.sessions.put(key, JSON.stringify({ agentLimits, agentUsage }));
  };
  await documented(90);
  const usage = { prompt_tokens: 5, completion_tokens: 2 };
  modelAnswer = {
    ...{ status: 200, type: 'application/json' },
    pieces: [JSON.stringify({ model: 'priced-2026-01-01', usage })],
  };
  const call = () => output(session, post('/v1/chat/completions', { model: 'priced' }));
  expect(await call()).toMatch(/^HTTP\/1.1 200 /);
  await expect
    .poll(() => counted.get(session.sessionId))
    .toMatchObject({ inputTokens: 5, outputTokens: 2, costUsd: 9 });
  await documented(97);
  expect(await call()).toMatch(/^HTTP\/1.1 200 /);
  await documented(104);
  expect(await call()).toMatch(/^HTTP\/1.1 403 [^]*session_tokens[^]*may take 100 tokens/);
  expect(await call()).toMatch(/^HTTP\/1.1 403 /);
  const priced = 'priced-2026-01-01 5 2 0 9 USD';
  const limit = ['session_tokens: the session may take 100 tokens', 'models:0 limit_reached'];
  await expect.poll(() => told(session)).toEqual([priced, priced, ...limit]);
});

test('where the rules cannot be set no command runs: the session fails with the reason, and nothing of it is left', async () => {
  const bin = join(bench.path, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'nsenter'), '#!/bin/sh\necho "nsenter: no right to" >&2; exit 1\n', { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
  const session = newSession(bench, { environment: { ...plainEnvironment, network: { mode: 'open', allow: [] } } });
  await expect(bench.parts().sandboxes.open(session, signal)).rejects.toMatchObject({
    code: 'network_mode_unsupported',
    message: expect.stringContaining('nsenter: no right to'),
  });
  vi.unstubAllEnvs();
  expect(await bench.parts().driver.listContainers(session.sessionId)).toEqual([]);
  expect(await bench.parts().directories.list()).not.toContain(session.sessionId);
});
