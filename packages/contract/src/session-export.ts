// A session's history as lines of JSON, as it is exported and imported.
//
// 1. The first line says which session it is, then there is a line for each event, as the API shows it, with `message` beside: its protobuf
//    bytes, those of output being in `data.bytes` alone. The last line is the end; without it the rest is missing.
// 2. What is asked for after a cursor has no first line: it is the continuation of a file that ends with the event at that cursor.
// 3. `sha256` is of all bytes before the line it is in.

import type { PublicEvent } from './event-json.ts';

export const sessionExportFormat = 'worktrail.session/1';

export interface ExportedSession {
  id: string;
  projectId: string;
  taskId: string | null;
  trialId: string | null;
  title: string;
  labels: Record<string, string>;
  branch: string;
  baseCommit: string | null;
  headCommit: string | null;
  /** The beginning of a fork's history, which is in its ancestors', the oldest first. */
  inherited: { sessionId: string; branch: string; upTo: string }[];
  createdAt: string;
  lastActiveAt: string;
}

export interface ExportHeader {
  format: typeof sessionExportFormat;
  session: ExportedSession;
}

export interface ExportedEvent extends PublicEvent {
  message: string;
}

export interface ExportEnd {
  end: {
    /** Of this file; of a continuation, of it alone. */
    events: number;
    /** The last event's; null where there is none. */
    cursor: string | null;
    /** How many of these are those of ancestors, by session. */
    inherited: Record<string, number>;
    sha256: string;
  };
}
