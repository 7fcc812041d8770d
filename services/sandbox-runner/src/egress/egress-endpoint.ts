// One sandbox's way out: an HTTP server on a socket that only this sandbox has. Who connects to it is that sandbox, and nobody else can.
//
// 1. Proxy (whole addresses and CONNECT), models (`/v1`, `/anthropic`, `/google`) and names (`/dns-query`); everything else is refused.
// 2. Every refusal is told to who asked and to `refused`. A call of a model is one where a limit of the session leaves no room for it.
// 3. Bounded: connections, requests in a second, heads, and how long a head may take.

import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReachedLimit } from '@worktrail/contract/agents';
import { type Destination, type EgressRules, isAllowedName } from './egress-rules.ts';
import type { ResolveName } from '@worktrail/runtime/name-resolver';
import type { GivenAddresses } from './given-addresses.ts';
import { fail, type ModelCaller, type ModelCalling } from './model-calling.ts';
import { type ModelAccess, type ModelCall, planModelCall } from './model-calls.ts';
import type { ModelUsage } from './model-usage.ts';
import { addressAnswer, askedName, askServers, refusedAnswer } from './names.ts';
import { createPace } from './pace.ts';
import type { Proxying } from './proxying.ts';
import type { RefusalReason } from './refusals.ts';

const connectionsMax = 256;
const headBytesMax = 32 * 1024;
const headTimeoutMs = 10_000;
const idleMs = 20 * 60_000;
const lingerMs = 1_000;
const lingerBytesMax = 1024 ** 2;
const namesPath = '/dns-query';
const nameBytesMax = 1_500;
const socketName = 'socket';
const dnsPort = 53;
/** In what is told of refusals. */
const modelsPlace: Destination = { host: 'models', port: 0 };

export interface EgressEndpoint {
  close(): Promise<void>;
}

export interface EgressEndpointDeps {
  rules: EgressRules;
  proxying: Proxying;
  models: ModelCalling;
  access: ModelAccess;
  nameServers: () => readonly string[];
  resolve: ResolveName;
  given: GivenAddresses;
  clock: () => number;
  refused(to: Destination, reason: RefusalReason): void;
  used(usage: ModelUsage, call: ModelCall): void;
  /** What leaves no room for a call of a model; null: nothing. Rejects where that is not known. */
  limitReached(): Promise<ReachedLimit | null>;
}

/** Listens on `<directory>/socket`, which the relay's user can reach. What was there before is another process's. */
export async function openEgressEndpoint(directory: string, deps: EgressEndpointDeps): Promise<EgressEndpoint> {
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const opened = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  // The path of a socket is short, that of a directory need not be; and the directory is in the sandbox too.
  const path = `/proc/self/fd/${opened}/${socketName}`;
  const { server, tunnels } = createEgressServer(deps);
  try {
    fchmodSync(opened, 0o711);
    await rm(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path, readableAll: true, writableAll: true }, resolve);
    });
  } catch (error) {
    closeSync(opened);
    throw error;
  }
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      for (const socket of tunnels) socket.destroy();
      await closed;
      // Not before: the server takes its socket away by this very path.
      closeSync(opened);
    },
  };
}

/** `tunnels`: connections that CONNECT took over, which the server does not know any more. */
function createEgressServer(deps: EgressEndpointDeps): { server: Server; tunnels: ReadonlySet<Duplex> } {
  const { proxying, refused } = deps;
  const tunnels = new Set<Duplex>();
  const caller: ModelCaller = { heldBytes: 0, used: deps.used };
  const server = createServer({
    maxHeaderSize: headBytesMax,
    headersTimeout: headTimeoutMs,
    connectionsCheckingInterval: headTimeoutMs / 2,
    requestTimeout: 0,
    keepAliveTimeout: 60_000,
    insecureHTTPParser: false,
  });
  const pace = createPace(deps.clock);
  const turn = async (): Promise<void> => {
    const waitMs = pace.takeMs();
    if (waitMs > 0) await delay(waitMs);
  };
  server.maxConnections = connectionsMax;
  server.setTimeout(idleMs);
  server.on('request', (request, response) => {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    void turn().then(() => (response.destroyed ? undefined : answer(deps, caller, request, response)));
  });
  server.on('connect', (request, command, head) => {
    command.on('error', () => undefined);
    tunnels.add(command);
    command.once('close', () => tunnels.delete(command));
    void turn().then(() => proxying.tunnel(request, command, head));
  });
  const broken = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // It comes several times for one request that breaks off.
    if (broken.has(socket)) return;
    broken.add(socket);
    if (error.code !== 'ECONNRESET') refused({ host: '', port: 0 }, brokenOff(error.code) ? 'aborted' : 'malformed');
    if (!socket.writable) socket.destroy();
    else endWith(socket, `HTTP/1.1 ${statusOf(error.code)}\r\nConnection: close\r\n\r\n`);
  });
  return { server, tunnels };
}

/**
 * What is still sent is thrown away for a moment: closed before it was read, a connection is reset, and the answer with it. Then it is over
 * in both directions: who sends nothing does not end it either.
 */
function endWith(socket: Socket, answer: string): void {
  let bytes = 0;
  socket.removeAllListeners('data');
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > lingerBytesMax) socket.destroy();
  });
  socket.once('end', () => socket.destroy());
  socket.end(answer);
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

/** The connection ended within a request. */
function brokenOff(code: string | undefined): boolean {
  return code === 'HPE_INVALID_EOF_STATE';
}

function statusOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
}

async function answer(
  deps: EgressEndpointDeps,
  caller: ModelCaller,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = request.url ?? '';
  if (!url.startsWith('/')) return deps.proxying.forward(request, response);
  if (url === namesPath) return answerName(deps, request, response);
  const planned = planModelCall(deps.access, { method: request.method ?? '', url, headers: request.headers });
  if ('call' in planned) {
    if (request.method === 'POST' && !(await mayCall(deps, response))) return;
    return deps.models.call(planned.call, request, response, caller);
  }
  deps.refused(modelsPlace, planned.reason);
  const message =
    planned.reason === 'model_path' ? 'this is no call of a model' : 'the operator has no key for these models';
  fail(response, 403, message);
}

/** False: it is answered. */
async function mayCall(deps: EgressEndpointDeps, response: ServerResponse): Promise<boolean> {
  try {
    const limit = await deps.limitReached();
    if (limit === null) return !response.destroyed;
    deps.refused(modelsPlace, 'limit_reached');
    fail(response, 403, `limit reached: ${limit.name} (${limit.detail})`);
  } catch {
    fail(response, 503, 'the limits of the session cannot be read at the moment');
  }
  return false;
}

async function answerName(deps: EgressEndpointDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const message = await readWhole(request, nameBytesMax).catch(() => 'aborted' as const);
  // Told where it is found.
  if (message === 'aborted') return;
  const name = message === 'too_long' ? undefined : askedName(message);
  if (message === 'too_long' || name === undefined) {
    deps.refused({ host: '', port: dnsPort }, 'malformed');
    response.writeHead(400).end();
    return;
  }
  const found = await findAnswer(deps, name, message);
  if (!found) response.writeHead(504).end();
  else
    response.writeHead(200, { 'content-type': 'application/dns-message', 'content-length': found.length }).end(found);
}

async function findAnswer(deps: EgressEndpointDeps, name: string, message: Buffer): Promise<Buffer | undefined> {
  if (deps.rules.mode === 'open') return askServers(deps.nameServers(), message);
  if (!isAllowedName(deps.rules, name)) {
    deps.refused({ host: name, port: dnsPort }, 'not_allowed');
    return refusedAnswer(message);
  }
  const addresses = await deps.resolve(name);
  deps.given.give(name, addresses);
  return addressAnswer(message, addresses);
}

/** Rejects where it breaks off. */
async function readWhole(request: IncomingMessage, bytesMax: number): Promise<Buffer | 'too_long'> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) return 'too_long';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
