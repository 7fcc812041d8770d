// The proxy: HTTP requests by their whole address, and CONNECT.
//
// 1. What is connected to is what was judged. The `Host` that goes out is that of the address asked for.
// 2. A request and its answer are parsed here and written anew: nothing of one connection is taken for the next.
// 3. Bytes wait where the other side does not take them.

import { type ClientRequest, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AddressRefused, type Dialing, Unreachable } from './dialing.ts';
import { type Destination, type EgressRules, isAllowed, parseDestination } from './egress-rules.ts';
import type { GivenAddresses } from './given-addresses.ts';
import { type AbsoluteTarget, absoluteTarget, passedOnHeaders } from './http-heads.ts';
import type { RefusalReason } from './refusals.ts';

const answerHeadBytesMax = 64 * 1024;
/** Without a byte in either direction. */
const tunnelIdleMs = 30 * 60_000;
const requestIdleMs = 10 * 60_000;

export interface Proxying {
  forward(request: IncomingMessage, response: ServerResponse): Promise<void>;
  tunnel(request: IncomingMessage, command: Duplex, head: Buffer): Promise<void>;
}

export interface ProxyingDeps {
  rules: EgressRules;
  dialing: Dialing;
  /** An address stands for the names that the sandbox was given it for. */
  given: Pick<GivenAddresses, 'namesOf'>;
  refused(to: Destination, reason: RefusalReason): void;
  signal: AbortSignal;
}

/** Why a request went no further, as its sender is told. */
class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const unknownDestination: Destination = { host: '', port: 0 };

export function createProxying({ rules, dialing, given, refused, signal }: ProxyingDeps): Proxying {
  const mayConnect = ({ host, port }: Destination) =>
    [host, ...given.namesOf(host)].some((name) => isAllowed(rules, { host: name, port }));

  function refuse(to: Destination, reason: RefusalReason, status: number, message: string): never {
    refused(to, reason);
    throw new Refused(status, message);
  }

  async function dial(to: Destination | undefined): Promise<Socket> {
    if (!to) return refuse(unknownDestination, 'malformed', 400, 'the destination is not host:port');
    const shown = `${to.host}:${to.port}`;
    if (!mayConnect(to)) refuse(to, 'not_allowed', 403, `${shown} is not in the network.allow of this project`);
    try {
      return await dialing.connect(to, signal);
    } catch (error) {
      if (error instanceof AddressRefused)
        refuse(to, 'private_address', 403, `${shown} is an address that sandboxes do not reach`);
      throw new Refused(error instanceof Unreachable ? 502 : 503, error instanceof Error ? error.message : 'failed');
    }
  }

  return {
    async forward(request, response) {
      let outside: Socket | undefined;
      try {
        const target = absoluteTarget(request.url ?? '');
        if (!target) {
          const message = 'only http:// addresses are requested; for others there is CONNECT';
          return refuse(unknownDestination, 'malformed', 400, message);
        }
        outside = await dial(target.to);
        if (response.destroyed) return;
        await exchange(request, response, outside, target);
      } catch (error) {
        answerFailure(response, error);
      } finally {
        outside?.destroy();
      }
    },

    async tunnel(request, command, head) {
      let outside: Socket | undefined;
      try {
        outside = await dial(parseDestination(request.url ?? ''));
        command.write('HTTP/1.1 200 Connection established\r\n\r\n');
        if (head.length > 0) outside.write(head);
        await join(command as Socket, outside);
      } catch (error) {
        if (!outside && command.writable) command.end(failureText(error));
      } finally {
        outside?.destroy();
        if (outside) command.destroy();
      }
    },
  };
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  outside: Socket,
  { authority, path }: AbsoluteTarget,
): Promise<void> {
  const headers = ['Host', authority, ...passedOnHeaders(request)];
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
  const asked = httpRequest({
    // With an agent this would not count, and something else be connected to.
    createConnection: () => outside,
    method: request.method,
    path,
    headers: [...headers, 'Connection', 'close'] as never,
    maxHeaderSize: answerHeadBytesMax,
    setHost: false,
  });
  asked.setTimeout(requestIdleMs, () => asked.destroy(new Error('nothing came for too long')));
  response.once('close', () => asked.destroy());
  const answered = answerOf(asked);
  // An answer may come before the whole request is taken.
  const sent = pipeline(request, asked);
  sent.catch(() => undefined);
  const answer = await answered;
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, passedOnHeaders(answer));
  await pipeline(answer, response);
}

function answerOf(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.once('response', resolve);
    asked.on('error', (cause) =>
      reject(new Refused(502, `the other side gave no answer that can be read: ${cause.message}`)),
    );
    asked.once('close', () => reject(new Refused(502, 'the other side gave no answer')));
  });
}

/** Until both directions have ended, or one of the two breaks. */
async function join(command: Socket, outside: Socket): Promise<void> {
  for (const socket of [command, outside]) socket.setTimeout(tunnelIdleMs, () => socket.destroy());
  await Promise.all([pipeline(command, outside), pipeline(outside, command)]);
}

function answerFailure(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, message } = asRefused(error);
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
  response.end(`worktrail: ${message}\n`);
}

function failureText(error: unknown): string {
  const { status, message } = asRefused(error);
  const body = `worktrail: ${message}\n`;
  const head = `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain; charset=utf-8`;
  return `${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}

function asRefused(error: unknown): Refused {
  return error instanceof Refused ? error : new Refused(502, 'the connection broke');
}
