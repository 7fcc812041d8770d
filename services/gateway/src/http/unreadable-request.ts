// What cannot be read as an HTTP request at all is answered like every other error, then the connection is closed. An answer that
// has begun on it is never written into.

import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WorktrailError } from '@worktrail/contract/errors';
import { problemResponse } from '../problem.ts';
import { requestIdOf } from './request-id.ts';

export function answerUnreadableRequests(server: Server): void {
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', ({ socket }, response) => {
    answers.set(socket, response);
    response.once('close', () => {
      if (answers.get(socket) === response) answers.delete(socket);
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || answers.get(socket)?.headersSent) return void socket.destroy();
    void written(problemResponse(reason(error), requestIdOf(new Headers()))).then((text) => socket.end(text));
  });
}

function reason(error: NodeJS.ErrnoException): WorktrailError {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new WorktrailError('headers_too_large', 'the address and the headers may have at most 16 KiB');
  }
  const detail = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'it did not arrive in time' : 'it is not HTTP';
  return new WorktrailError('malformed_request', detail, { cause: error });
}

async function written(response: Response): Promise<string> {
  const body = await response.text();
  const headers = new Headers(response.headers);
  headers.set('content-length', String(Buffer.byteLength(body)));
  headers.set('connection', 'close');
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status]}\r\n${lines.join('')}\r\n${body}`;
}
