// GET /v1/sessions/{sessionId}/export: the history of a session up to now, as a file.

import { z } from '@hono/zod-openapi';
import type { SessionDocument } from '@worktrail/contract/documents';
import { eventTypes } from '@worktrail/contract/event-types';
import type { Logger } from '@worktrail/runtime/log';
import { givenCursor } from '../events/event-routes.ts';
import type { History } from '../events/history.ts';
import type { StreamPosition } from '../events/stream-position.ts';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { invalid } from '../problem.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { id } from '../text.ts';
import { createTrajectory, inTrajectory } from './atif.ts';
import type { ExportFormat } from './export-format.ts';
import { openExport } from './export-stream.ts';
import { createJsonLines, exportedSession } from './jsonl.ts';
import { createMarkdown, notTranscribed } from './markdown.ts';

const formats = ['jsonl', 'atif', 'markdown'] as const;
type Format = (typeof formats)[number];

const contentTypes: Record<Format, string> = {
  jsonl: 'application/jsonl; charset=utf-8',
  atif: 'application/json',
  markdown: 'text/markdown; charset=utf-8',
};

/** Of what an agent of ours is called in a trajectory. */
const agentVersion = '1';

export interface ExportRouteDeps {
  sessions: SessionReader;
  history: History;
  position: StreamPosition;
  followers: Followers;
  /** Aborted when the gateway stops. */
  stopping: AbortSignal;
  log: Logger;
}

export function addExportRoutes(api: Api, deps: ExportRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/export',
      tag: 'Analytics',
      summary: 'The history of a session up to now, as a file',
      action: 'event.read',
      params: z.object({ sessionId: id('session') }),
      query: z.object({
        format: z.enum(formats).default('jsonl'),
        after: z.string().optional().openapi({
          description:
            'Of jsonl: the cursor of the last whole line of a file that was cut off. What is missing of it is answered.',
        }),
      }),
      answers: {
        200: {
          description:
            'jsonl: a line for the session, one for each event, one for the end. atif: a trajectory, ATIF v1.7. markdown: a transcript. ' +
            'Each ends with the SHA-256 of all bytes before that; what has no end was cut off.',
          contentTypes: Object.values(contentTypes).map((type) => type.split(';')[0]!),
        },
      },
    },
    async ({ principal, params, query, signal: gone }) => {
      const { document, scope } = await deps.sessions.open(principal, params.sessionId, 'event.read');
      if (query.after !== undefined && query.format !== 'jsonl') {
        throw invalid({ path: 'after', message: 'is of the format jsonl alone' });
      }
      const after = await givenCursor(deps, scope, query.after);
      const until = await deps.position.lastCursor(scope);
      const { format, types } = formatOf(query.format, document, after !== undefined);
      const onClose = deps.followers.admit('eventStreams', scope.organizationId);
      try {
        const signal = AbortSignal.any([gone, deps.stopping]);
        const body = await openExport(deps.history, { scope, after, until, types }, format, {
          ...{ signal, log: deps.log, onClose },
        });
        const headers = { 'content-type': contentTypes[query.format], 'x-accel-buffering': 'no' };
        return { status: 200, headers, body };
      } catch (error) {
        onClose();
        throw error;
      }
    },
  );
}

function formatOf(
  name: Format,
  document: SessionDocument,
  isContinuation: boolean,
): { format: ExportFormat; types: readonly string[] } {
  const session = exportedSession(document);
  switch (name) {
    case 'jsonl':
      return { format: createJsonLines(session, isContinuation), types: [] };
    case 'atif':
      return { format: createTrajectory(session, agentVersion), types: inTrajectory };
    case 'markdown':
      return { format: createMarkdown(session), types: eventTypes.filter((type) => !notTranscribed.includes(type)) };
  }
}
