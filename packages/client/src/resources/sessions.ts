// Sessions: persistent workspaces on a branch of their own.

import type { Page, Session, SessionFilter, SessionInput } from '../api-types.ts';
import { allItems } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';
import { boundedWaitSeconds } from './commands.ts';

export function createSessions(transport: Transport) {
  const list = (filter: SessionFilter = {}, options?: CallOptions) =>
    transport.json<Page<Session>>('GET', '/v1/sessions', { query: { ...filter }, ...options });
  return {
    /** With `waitSeconds` it answers once the session is ready (or failed), or when the wait is over. */
    create: (projectId: string, body: SessionInput = {}, options: CallOptions & { waitSeconds?: number } = {}) => {
      const waitSeconds = boundedWaitSeconds(options.waitSeconds);
      const path = pathOf`/v1/projects/${projectId}/sessions`;
      return transport.json<Session>('POST', path, { ...options, body, query: { waitSeconds }, waitSeconds });
    },
    list,
    all: (filter: Omit<SessionFilter, 'cursor'> = {}, options?: CallOptions) =>
      allItems((cursor) => list({ ...filter, cursor }, options)),
    get: (sessionId: string, options?: CallOptions) =>
      transport.json<Session>('GET', pathOf`/v1/sessions/${sessionId}`, options),
    update: (sessionId: string, body: { title?: string; labels?: Record<string, string> }, options?: CallOptions) =>
      transport.json<Session>('PATCH', pathOf`/v1/sessions/${sessionId}`, { body, ...options }),
    archive: (sessionId: string, options?: CallOptions) =>
      transport.json<Session>('POST', pathOf`/v1/sessions/${sessionId}/archive`, options),
  };
}
