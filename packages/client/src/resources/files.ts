// The files of a session, and what has changed in them.

import type { ChangedFile, Diff, FileItem } from '../gen/api-schemas.ts';
import { allItems, type Page, type PageQuery } from '../pagination.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export interface FileListQuery extends PageQuery {
  /** Of the directory; the work tree itself by default. */
  path?: string;
  /** A checkpoint's id, or "base". */
  at?: string;
}

export interface FileContent {
  body: ReadableStream<Uint8Array>;
  /** Of the whole file. */
  size: number;
  /** Where the body begins in it, and how long it is. */
  offset: number;
  length: number;
  /** Of the content; null for a very large file. */
  etag: string | null;
  /** "live", the id of a checkpoint, or "base". */
  at: string;
}

export interface FileWrite {
  /** By default as it was, and of a new file not. */
  executable?: boolean;
  ifMatch?: string;
  create?: boolean;
}

export interface DiffQuery {
  /** "base", "head", or a checkpoint's id. */
  from?: string;
  to?: string;
  /** False: only the list of files. */
  patch?: boolean;
}

export function createFiles(transport: Transport) {
  const list = (sessionId: string, query: FileListQuery = {}, options?: CallOptions) =>
    transport.json<Page<FileItem>>('GET', pathOf`/v1/sessions/${sessionId}/files`, {
      query: { ...query },
      ...options,
    });
  return {
    /** What is in a directory: of the open session as it is now, of a sleeping one as it was left, with `at` of a checkpoint. */
    list,
    all: (sessionId: string, query: Omit<FileListQuery, 'cursor'> = {}, options?: CallOptions) =>
      allItems((cursor) => list(sessionId, { limit: 200, ...query, cursor }, options)),
    /**
     * A file, or `length` bytes of it from `offset` on (negative: its last bytes). At most 100 MiB at once. The body is the caller's to read;
     * it fails where the file changes meanwhile. Throws `range_not_satisfiable` where the file ends before `offset`.
     */
    open: async (
      sessionId: string,
      path: string,
      { at, offset, length, ...options }: CallOptions & { at?: string; offset?: number; length?: number } = {},
    ): Promise<FileContent> => {
      const range = rangeHeader(offset, length);
      const response = await transport.stream(filePath(sessionId, path), {
        ...options,
        query: { at },
        headers: { accept: 'application/octet-stream', ...(range && { range }) },
      });
      const { headers } = response;
      const partial = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '');
      return {
        body: response.body!,
        size: Number(partial?.[2] ?? headers.get('content-length')),
        offset: Number(partial?.[1] ?? 0),
        length: Number(headers.get('content-length')),
        etag: headers.get('etag'),
        at: headers.get('x-worktrail-at') ?? '',
      };
    },
    /**
     * Writes a file of at most 10 MiB; answers with its new `etag`. With `ifMatch`, the `etag` that was read or "*", only what is there; with
     * `create` only what is not: otherwise throws `precondition_failed`.
     */
    put: (
      sessionId: string,
      path: string,
      bytes: Uint8Array<ArrayBuffer>,
      { executable, ifMatch, create, ...options }: CallOptions & FileWrite = {},
    ) =>
      transport.json<ChangedFile>('PUT', filePath(sessionId, path), {
        ...options,
        takesKey: true,
        bytes,
        query: { executable },
        headers: { ...(ifMatch && { 'if-match': ifMatch }), ...(create && { 'if-none-match': '*' }) },
      }),
    /** A file, or a symlink itself. */
    delete: (sessionId: string, path: string, { ifMatch, ...options }: CallOptions & { ifMatch?: string } = {}) =>
      transport.send('DELETE', filePath(sessionId, path), {
        ...options,
        takesKey: true,
        ...(ifMatch && { headers: { 'if-match': ifMatch } }),
      }),
    /** By default from the commit that the session began with to its files as they are now. */
    diff: (sessionId: string, query: DiffQuery = {}, options?: CallOptions) =>
      transport.json<Diff>('GET', pathOf`/v1/sessions/${sessionId}/diff`, { query: { ...query }, ...options }),
    /** The patch alone, byte for byte, for `git apply`; `truncated` where it is longer than 5 MiB. */
    patch: async (sessionId: string, query: Omit<DiffQuery, 'patch'> = {}, options?: CallOptions) => {
      const { bytes, headers } = await transport.bytes(pathOf`/v1/sessions/${sessionId}/diff`, {
        query: { ...query },
        headers: { accept: 'text/x-diff' },
        ...options,
      });
      return {
        bytes,
        truncated: headers.get('x-truncated') === 'true',
        upToDate: headers.get('x-up-to-date') !== 'false',
      };
    },
  };
}

function filePath(sessionId: string, path: string): string {
  const parts = path.split('/').map((part) => pathOf`${part}`);
  return pathOf`/v1/sessions/${sessionId}/files/` + parts.join('/');
}

function rangeHeader(offset: number | undefined, length: number | undefined): string | undefined {
  if (offset === undefined && length === undefined) return undefined;
  if (offset !== undefined && offset < 0) return `bytes=${offset}`;
  const first = offset ?? 0;
  return length === undefined ? `bytes=${first}-` : `bytes=${first}-${first + length - 1}`;
}
