// The files of a session: a directory's list, the bytes of a file.
//
// 1. Of a session that is open they are those of its sandbox at this moment, ignored ones too; of one that sleeps those of its newest
//    checkpoint, and nothing is woken. With `at` they are those of a checkpoint.
// 2. Nothing outside of the work tree is read, nor `.git`: not by the path, and no symlink is followed, on the way or at its end.
// 3. A file's ETag is its content's name in git. At most `fileBytesMax` are given at once; more by ranges.

import { z } from '@hono/zod-openapi';
import type { SessionDocument } from '@worktrail/contract/documents';
import {
  type FileListing,
  type FileListRequest,
  type FileReadRequest,
  fileBytesMax,
  fileHeaders,
  readAtHeader,
  workTreePathProblem,
} from '@worktrail/contract/session-files';
import type { Api } from '../http/api.ts';
import { json, type Reply } from '../http/reply.ts';
import { pageOf, pageQuery } from '../pagination.ts';
import { invalid, Problem } from '../problem.ts';
import type { RunnerAnswer, RunnerRequests } from '../runners/runner-requests.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { id } from '../text.ts';
import { type ByteRange, isNamed, readByteRange } from './byte-range.ts';
import type { SessionFiles } from './session-files.ts';

const tag = 'Files';
/** To the first byte; of what lies in a store it may have to be fetched first. */
const timeoutsMs = { live: 10_000, stored: 30_000 };

const fileSchema = z
  .object({
    name: z.string().openapi({ description: 'Bytes that are not UTF-8, and control characters, as \\x escapes.' }),
    path: z.string(),
    type: z
      .enum(['file', 'directory', 'symlink', 'submodule'])
      .openapi({ description: 'submodule: a directory with a repository of its own.' }),
    size: z.int().nullable().openapi({ description: 'In bytes; of a symlink, of what it says; null for a directory.' }),
    executable: z.boolean(),
  })
  .openapi('FileItem');

const at = z.string().optional().openapi({ description: 'As of this checkpoint, by its id, or `base`.' });

export interface FileRouteDeps {
  sessions: SessionReader;
  files: SessionFiles;
  requests: RunnerRequests;
}

export function addFileRoutes(api: Api, deps: FileRouteDeps): void {
  addList(api, deps);
  addRead(api, deps);
}

function addList(api: Api, deps: FileRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/files',
      tag,
      summary: 'What is in a directory of the work tree',
      action: 'file.read',
      params: z.object({ sessionId: id('session') }),
      query: z.object({
        path: z.string().default('').openapi({ description: 'Of the directory; the work tree itself by default.' }),
        at,
        ...pageQuery,
      }),
      answers: {
        200: {
          description: 'A page, in the order of the bytes of the names. `X-Worktrail-At`: live, a checkpoint, or base',
          schema: pageOf(fileSchema),
        },
      },
    },
    async ({ principal, params: { sessionId }, query, signal }) => {
      const path = query.path.replace(/\/$/, '');
      if (path !== '') checkPath(path);
      const { document } = await deps.sessions.open(principal, sessionId, 'file.read');
      const where = { path, limit: query.limit, after: listCursor(query.cursor) };
      const request: FileListRequest = { ...(await state(deps, document, query.at)), ...where };
      const answer = await ask(deps.requests, document, 'list', request, signal);
      const { items, next } = (await new Response(answer.body).json()) as FileListing;
      return json(200, { items, nextCursor: next }, atHeader(answer));
    },
  );
}

function addRead(api: Api, deps: FileRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/files/{path}',
      takesSlashes: true,
      tag,
      summary: 'The bytes of a file, or a range of them',
      action: 'file.read',
      params: z.object({
        sessionId: id('session'),
        path: z.string().openapi({ description: 'Relative to the work tree; slashes as they are.' }),
      }),
      query: z.object({ at }),
      heeds: {
        Range:
          'One range of bytes, `bytes=0-99`, `bytes=100-` or `bytes=-100`; of anything else the whole file is given.',
        'If-Range': 'An ETag: of another content the whole file is given.',
        'If-None-Match': 'ETags: 304 where the content has one of them.',
      },
      answers: {
        200: {
          description: `The file, of at most ${fileBytesMax} bytes; \`ETag\`: its content. \`X-Worktrail-At\`: live, a checkpoint, or base`,
          contentTypes: ['application/octet-stream'],
        },
        206: { description: 'With `Range: bytes=…`: that range', contentTypes: ['application/octet-stream'] },
        304: { description: '`If-None-Match` names the content' },
      },
    },
    async ({ principal, params: { sessionId, path }, query, headers, signal }) => {
      checkPath(path);
      const { document } = await deps.sessions.open(principal, sessionId, 'file.read');
      const wanted = await state(deps, document, query.at);
      const range = readByteRange(headers.get('range'));
      const read = (part: ByteRange | undefined) => {
        const { offset, length } = part ?? { offset: 0, length: null };
        const request: FileReadRequest = {
          ...wanted,
          path,
          offset,
          length: Math.min(length ?? fileBytesMax, fileBytesMax),
        };
        return ask(deps.requests, document, 'read', request, signal);
      };
      const answer = await read(range);
      const ifRange = headers.get('if-range');
      if (range && ifRange !== null && ifRange !== etagOf(answer)) {
        await answer.body?.cancel();
        return fileReply(await read(undefined), undefined, headers.get('if-none-match'));
      }
      return fileReply(answer, range, headers.get('if-none-match'));
    },
  );
}

/** Which files are meant. */
async function state(deps: FileRouteDeps, known: SessionDocument, name: string | undefined) {
  const document = await deps.sessions.newest(known);
  const live = name === undefined && ['ready', 'busy'].includes(document.state);
  return { session: deps.files.ref(document), live, at: await deps.files.tree(document, name ?? 'head', 'at') };
}

function ask(
  requests: RunnerRequests,
  { id: sessionId, runnerId }: SessionDocument,
  what: 'list' | 'read',
  request: FileListRequest | FileReadRequest,
  signal: AbortSignal,
): Promise<RunnerAnswer> {
  const path = `sessions/${sessionId}/files/${what}`;
  const timeoutMs = request.live ? timeoutsMs.live : timeoutsMs.stored;
  return requests.askAny(runnerId, { method: 'POST', path, json: request, signal, timeoutMs });
}

async function fileReply(
  answer: RunnerAnswer,
  range: ByteRange | undefined,
  ifNoneMatch: string | null,
): Promise<Reply> {
  const number = (name: string) => Number(answer.headers.get(name));
  const [size, offset, length] = [number(fileHeaders.size), number(fileHeaders.offset), number(fileHeaders.length)];
  const etag = etagOf(answer);
  const headers = {
    ...{ 'accept-ranges': 'bytes', 'cache-control': 'private, no-cache', ...(etag !== null && { etag }) },
    ...atHeader(answer),
  };
  const instead = async (): Promise<Reply | Problem | undefined> => {
    if (isNamed(ifNoneMatch, etag)) return { status: 304, headers, body: null };
    if (!range && size > fileBytesMax) {
      const detail = `the file has ${size} bytes: ask for it by ranges of at most ${fileBytesMax}`;
      return new Problem('body_too_large', detail, { headers });
    }
    if (range && offset >= size) {
      const contentRange = { 'content-range': `bytes */${size}` };
      return new Problem('range_not_satisfiable', `the file has ${size} bytes`, { headers: contentRange });
    }
    return undefined;
  };
  const other = await instead();
  if (other) await answer.body?.cancel();
  if (other instanceof Problem) throw other;
  if (other) return other;
  const type = { 'content-type': 'application/octet-stream', 'content-length': String(length) };
  if (!range) return { status: 200, headers: { ...headers, ...type }, body: answer.body };
  const contentRange = `bytes ${offset}-${offset + length - 1}/${size}`;
  return { status: 206, headers: { ...headers, ...type, 'content-range': contentRange }, body: answer.body };
}

function etagOf({ headers }: RunnerAnswer): string | null {
  const blob = headers.get(fileHeaders.blob);
  return blob === null ? null : `"${blob}"`;
}

function atHeader({ headers }: RunnerAnswer): Record<string, string> {
  return { [readAtHeader]: headers.get(readAtHeader) ?? '' };
}

function checkPath(path: string): void {
  const message = workTreePathProblem(path);
  if (message !== null) throw invalid({ path: 'path', message });
}

/** @throws cursor_invalid for what no page can have given. */
function listCursor(cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  if (/^[\w-]{1,400}$/.test(cursor)) return cursor;
  throw new Problem('cursor_invalid', 'cursor: is not the nextCursor of a page of this list');
}
