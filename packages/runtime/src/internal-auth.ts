// The cluster's internal bearer token: services show it to each other, nothing else has it.

import { createHash, timingSafeEqual } from 'node:crypto';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';

/** Adds the token to each call of a Connect client. */
export function bearerInterceptor(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
}

/** Refuses calls to a Connect server that do not show the token. */
export function requireBearer(token: string): Interceptor {
  return (next) => (request) => {
    if (!isBearer(request.header.get('authorization'), token)) {
      throw new ConnectError('the internal token is missing or wrong', Code.Unauthenticated);
    }
    return next(request);
  };
}

/** Constant time in the token. */
export function isBearer(header: string | null | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}
