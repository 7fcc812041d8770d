// A history as lines of JSON (session-export.ts says what is in them).

import { toBinary } from '@bufbuild/protobuf';
import type { SessionDocument } from '@worktrail/contract/documents';
import {
  type ExportEnd,
  type ExportedEvent,
  type ExportedSession,
  type ExportHeader,
  sessionExportFormat,
} from '@worktrail/contract/session-export';
import { type Event, EventSchema } from '@worktrail/proto/event';
import { eventJson } from '../events/event-json.ts';
import type { ExportFormat } from './export-format.ts';

/** `isContinuation`: the file has its first line. */
export function createJsonLines(session: ExportedSession, isContinuation: boolean): ExportFormat {
  const { id } = session;
  const inherited: Record<string, number> = {};
  const line = (value: ExportHeader | ExportedEvent | ExportEnd) => `${JSON.stringify(value)}\n`;
  return {
    begin: () => (isContinuation ? '' : line({ format: sessionExportFormat, session })),
    event: ({ event, cursor }) => {
      const { sessionId } = event;
      if (sessionId !== id) inherited[sessionId] = (inherited[sessionId] ?? 0) + 1;
      return line({ ...eventJson(event, cursor), message: messageOf(event) });
    },
    rest: () => '',
    end: (sums) => line({ end: { ...sums, inherited } }),
  };
}

function messageOf(event: Event): string {
  const { payload } = event;
  const slim: Event =
    payload.case === 'commandOutput'
      ? { ...event, payload: { case: payload.case, value: { ...payload.value, bytes: new Uint8Array() } } }
      : event;
  return Buffer.from(toBinary(EventSchema, slim)).toString('base64');
}

export function exportedSession(document: SessionDocument): ExportedSession {
  const { id, projectId, taskId, trialId, title, labels, branch, baseCommit, headCommit } = document;
  const { inherited, createdAt, lastActiveAt } = document;
  return {
    ...{ id, projectId, taskId, trialId, title, labels, branch, baseCommit, headCommit },
    ...{ inherited, createdAt, lastActiveAt },
  };
}
