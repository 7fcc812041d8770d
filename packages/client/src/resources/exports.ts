// Histories as files.

import type { ImportedPiece } from '../gen/api-schemas.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export interface ExportQuery {
  /** Default: jsonl. */
  format?: 'jsonl' | 'atif' | 'markdown' | undefined;
  /** Of jsonl: the cursor of the last whole line that is there already. */
  after?: string | undefined;
}

export interface PartQuery {
  /** As the view of that name; default: events. */
  of?: 'events' | 'command_output' | undefined;
  /** ISO 8601. */
  from?: string | undefined;
  /** Not included. */
  to?: string | undefined;
  after?: string | undefined;
}

export function createExports(transport: Transport) {
  return {
    /**
     * The history of a session up to now. The body is the caller's to read; its last line has the SHA-256 of all before it, and what has no such
     * line was cut off.
     */
    session: async (sessionId: string, query: ExportQuery = {}, options?: CallOptions) => {
      const response = await transport.stream(pathOf`/v1/sessions/${sessionId}/export`, {
        query: { ...query },
        headers: { accept: '*/*' },
        ...options,
      });
      return response.body as ReadableStream<Uint8Array>;
    },
    /** A part of what a project has in a time, as a Parquet file; `next` is what the next part is asked `after`, null where there is none. */
    part: async (projectId: string, query: PartQuery = {}, options?: CallOptions) => {
      const { bytes, headers } = await transport.bytes(pathOf`/v1/projects/${projectId}/export`, {
        query: { ...query },
        headers: { accept: '*/*' },
        ...options,
      });
      const rows = Number(headers.get('x-rows'));
      return { bytes, rows, sha256: headers.get('x-sha256') ?? '', next: headers.get('x-next') };
    },
    /**
     * A piece of such a file in jsonl, into an organization that has no session of its own: the file's first line, of the piece before the last
     * line again, and then what follows. The piece that has the file's end makes the session, once all of it is stored. The same piece again changes nothing.
     */
    import: (projectId: string, piece: Uint8Array<ArrayBuffer>, options?: CallOptions) =>
      transport.json<ImportedPiece>('POST', pathOf`/v1/projects/${projectId}/import`, { ...options, bytes: piece }),
  };
}
