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
    /**
     * A piece of such a file in jsonl, into an organization that has no session of its own: the file's first line, of the piece before the last
     * line again, and then what follows. The piece that has the file's end makes the session, once all of it is stored. The same piece again changes nothing.
     */
    import: (projectId: string, piece: Uint8Array<ArrayBuffer>, options?: CallOptions) =>
      transport.json<ImportedPiece>('POST', pathOf`/v1/projects/${projectId}/import`, { ...options, bytes: piece }),
  };
}
