// The id of a request, in every answer's X-Request-Id: the client's own where it is a plain token, so that it finds its request in
// our logs.

import { randomUUID } from 'node:crypto';

export function requestIdOf(headers: Headers): string {
  const given = headers.get('x-request-id');
  if (given !== null && /^[\w.:-]{1,128}$/.test(given)) return given;
  return `req_${randomUUID().replaceAll('-', '')}`;
}
