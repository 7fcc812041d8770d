// A git server over https with a password, as hosting services have: git's own http-backend behind a TLS server of this process.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface GitHttpsServer {
  readonly url: string;
  /** For GIT_SSL_CAINFO of who is to trust it. */
  readonly caPath: string;
  /** What was asked for, with the Authorization header as it came. */
  readonly requests: readonly { path: string; authorization: string | undefined }[];
  close(): Promise<void>;
}

export interface GitHttpsServerOptions {
  /** Bare repositories below it are served by their path. */
  root: string;
  /** For key, certificate. Servers of one directory share them. */
  scratch: string;
  username: string;
  password: string;
  /** Sends every request there instead. */
  redirectTo?: string;
  /** Answers what is no git; false: it is. */
  handle?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Awaited before a request that shows the password is answered. */
  beforeAnswer?: (path: string) => Promise<void>;
}

export async function startGitHttpsServer(options: GitHttpsServerOptions): Promise<GitHttpsServer> {
  const { scratch, username, password, redirectTo } = options;
  const caPath = join(scratch, 'git-server.crt');
  const keyPath = join(scratch, 'git-server.key');
  await makeCertificate(keyPath, caPath);
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const requests: { path: string; authorization: string | undefined }[] = [];
  const tls = { key: await readFile(keyPath), cert: await readFile(caPath) };
  const server = createServer(tls, (request, response) => {
    const path = request.url ?? '/';
    const { authorization } = request.headers;
    requests.push({ path, authorization });
    if (options.handle?.(request, response)) return;
    if (redirectTo !== undefined) {
      response.writeHead(302, { location: `${redirectTo}${path}` }).end();
    } else if (authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    } else {
      void Promise.resolve(options.beforeAnswer?.(path)).then(() => answer(options, request, response));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caPath,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function makeCertificate(keyPath: string, path: string): Promise<void> {
  const made = await readFile(path).catch(() => undefined);
  if (made) return;
  const subject = ['-subj', '/CN=worktrail-test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath];
  await run('openssl', ['req', '-x509', '-days', '2', ...key, '-out', path, ...subject]);
}

/** One request by CGI. */
function answer({ root, username }: GitHttpsServerOptions, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '/', 'https://server');
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      HOME: '/nonexistent',
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_USER: username,
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  backend.stdin.on('error', () => undefined);
  const isZipped = request.headers['content-encoding'] === 'gzip';
  (isZipped ? request.pipe(createGunzip()) : request).pipe(backend.stdin);
  let head = Buffer.alloc(0);
  const readHead = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    backend.stdout.off('data', readHead);
    const lines = head.subarray(0, end).toString('latin1').split('\r\n');
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const status = headers.find(([name]) => name === 'Status')?.[1];
    response.writeHead(Number(status?.slice(0, 3) ?? 200), Object.fromEntries(headers));
    response.write(head.subarray(end + 4));
    backend.stdout.pipe(response);
  };
  backend.stdout.on('data', readHead);
  backend.stdout.on('end', () => response.end());
}
