// A scripted API for the CLI's own tests: a real HTTP server with one session, whose commands print what the test says.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import type { WorktrailEvent } from '@worktrail/client';
import type { Surroundings } from './cli.ts';
import { runCli } from './run-cli.ts';

export interface ReceivedRequest {
  method: string;
  path: string;
  url: URL;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** True when it has answered. */
export type Route = (request: ReceivedRequest, response: ServerResponse) => boolean;

export interface TestApi {
  url: string;
  requests: ReceivedRequest[];
  close(): Promise<void>;
}

export async function startTestApi(route: Route): Promise<TestApi> {
  const requests: ReceivedRequest[] = [];
  const server = createServer((message, response) => {
    take(message, response).catch((error: unknown) => response.destroy(error as Error));
  });
  async function take(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await Array.fromAsync(message as AsyncIterable<Buffer>));
    const url = new URL(message.url!, 'http://api');
    const request = { method: message.method!, path: url.pathname, url, headers: message.headers, body };
    requests.push(request);
    if (!route(request, response)) answer(response, 404, { code: 'not_found', detail: `there is no ${url.pathname}` });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function answer(response: ServerResponse, status: number, body: unknown): true {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  return true;
}

/** The events after a cursor as server-sent events; cursors are "c<index>". */
export function eventStream(events: readonly WorktrailEvent[], request: ReceivedRequest): Buffer {
  const after = (request.headers['last-event-id'] as string | undefined) ?? request.url.searchParams.get('after');
  const first = after?.startsWith('c') ? Number(after.slice(1)) + 1 : 0;
  return Buffer.from(
    events
      .slice(first)
      .map((event) => `id: ${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`)
      .join(''),
  );
}

export interface RanCli {
  exitCode: Promise<number>;
  stdin: PassThrough & { isTTY?: boolean };
  stdout: () => Buffer;
  stderr: () => string;
  /** Resolves when stdout holds this text. */
  printed(text: string): Promise<void>;
  raise(signal: NodeJS.Signals): void;
}

export interface CliOptions {
  stdinIsTerminal?: boolean;
  stderrIsTerminal?: boolean;
  /** As when the reader of a pipe has gone. */
  stdoutIsClosed?: boolean;
  stdoutIsTerminal?: boolean;
  runPager?: Surroundings['runPager'];
}

/** Runs the CLI in this process, with streams and signals of its own. */
export function startCli(args: readonly string[], env: NodeJS.ProcessEnv, options: CliOptions = {}): RanCli {
  const listeners = new Map<NodeJS.Signals, Set<(signal: NodeJS.Signals) => void>>();
  const collected = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const collect = (name: 'stdout' | 'stderr') =>
    new PassThrough().on('data', (chunk: Buffer) => collected[name].push(chunk));
  const out = collect('stdout');
  const stdin: RanCli['stdin'] = Object.assign(new PassThrough(), { isTTY: options.stdinIsTerminal === true });
  const surroundings: Surroundings = {
    env,
    cwd: '/nowhere',
    stdin,
    stdout: options.stdoutIsClosed ? closedPipe() : Object.assign(out, { isTTY: options.stdoutIsTerminal === true }),
    stderr: Object.assign(collect('stderr'), { isTTY: options.stderrIsTerminal === true }),
    onSignal(signals, listener) {
      for (const signal of signals) listeners.set(signal, (listeners.get(signal) ?? new Set()).add(listener));
      return () => {
        for (const signal of signals) listeners.get(signal)?.delete(listener);
      };
    },
    nowMs: () => Date.parse('2026-01-01T00:00:00.000Z'),
    runPager: options.runPager ?? (async () => false),
  };
  return {
    exitCode: runCli(args, surroundings),
    stdin,
    stdout: () => Buffer.concat(collected.stdout),
    stderr: () => Buffer.concat(collected.stderr).toString(),
    printed: (text) =>
      new Promise((resolve) => {
        const look = () => Buffer.concat(collected.stdout).includes(text) && resolve();
        out.on('data', look);
        look();
      }),
    raise: (signal) => {
      for (const listener of listeners.get(signal) ?? []) listener(signal);
    },
  };
}

function closedPipe(): Writable {
  const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  return new Writable({ write: (_chunk, _encoding, done) => done(gone) }).on('error', () => undefined);
}
