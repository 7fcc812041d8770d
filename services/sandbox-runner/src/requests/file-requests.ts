// A session's files: a directory's list, and the bytes of a file. Of an open sandbox as they are, else out of a commit.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { WorktrailError } from '@worktrail/contract/errors';
import {
  type FileListRequest,
  type FileReadRequest,
  fileBytesMax,
  fileHeaders,
  readAtHeader,
  type SessionFilesRef,
  workTreePathProblem,
} from '@worktrail/contract/session-files';
import type { LiveFile, LiveFiles } from '../files/live-files.ts';
import { commitOf, type SessionReading } from '../files/session-reading.ts';
import { findFile, listTree, readBlob } from '../files/tree-files.ts';
import type { Sandboxes } from '../sandboxes/sandboxes.ts';
import type { OpenSandbox } from '../sessions/open-sandboxes.ts';
import type { SessionDirectories } from '../sessions/session-directory.ts';
import { answerJson, type RunnerRoute, readJson } from './request-router.ts';

const pageMax = 1_000;

export interface FileRequestDeps {
  reading: SessionReading;
  live: LiveFiles;
  sandboxes: Pick<Sandboxes, 'attach' | 'verify'>;
  directories: SessionDirectories;
}

export function fileRoutes(deps: FileRequestDeps): RunnerRoute[] {
  const { reading, live, sandboxes } = deps;
  return [
    {
      method: 'POST',
      path: '/internal/v1/sessions/{sessionId}/files/list',
      handle: async ({ request, response, signal }) => {
        const asked = (await readJson(request)) as FileListRequest;
        const { session, path, after, at } = asked;
        if (path !== '') requirePath(path);
        const limit = Math.min(asked.limit, pageMax);
        const sandbox = asked.live ? await openSandbox(deps, session) : undefined;
        const where = { path, limit, after };
        response.setHeader(readAtHeader, nameOf(sandbox ? 'live' : at));
        const listing = sandbox
          ? await ofSandbox(sandboxes, sandbox, () => live.list(sandbox, where, signal))
          : await reading.read(session, [at], signal, (git) => listTree(git, commitOf(session, at), where, signal));
        answerJson(response, 200, listing);
      },
    },
    {
      method: 'POST',
      path: '/internal/v1/sessions/{sessionId}/files/read',
      handle: async ({ request, response, signal }) => {
        const asked = (await readJson(request)) as FileReadRequest;
        const { session, path, at, offset } = asked;
        requirePath(path);
        const length = Math.min(asked.length, fileBytesMax);
        const sandbox = asked.live ? await openSandbox(deps, session) : undefined;
        const begin = (file: LiveFile) => writeHead(response, file, nameOf(sandbox ? 'live' : at));
        const take = (chunk: Buffer) => write(response, chunk, signal);
        if (sandbox) {
          const hash = session.baseCommit.length === 64 ? 'sha256' : 'sha1';
          const what = { path, offset, length, hash } as const;
          await ofSandbox(sandboxes, sandbox, () => live.read(sandbox, what, begin, take, signal));
        } else {
          await reading.read(session, [at], signal, async (git) => {
            const { id, bytes } = await findFile(git, commitOf(session, at), path, signal);
            const range = rangeWithin(bytes, offset, length);
            begin({ size: bytes, ...range, blob: id });
            await readBlob(git, id, range, take, signal);
          });
        }
        response.end();
      },
    },
  ];
}

/** Of this very generation. Undefined: it is not open here. */
async function openSandbox(deps: FileRequestDeps, session: SessionFilesRef): Promise<OpenSandbox | undefined> {
  const { sessionId, organizationId, generation } = session;
  const record = await deps.directories.at(sessionId).readRecord();
  if (record?.organizationId !== organizationId || record.generation !== generation) return undefined;
  return record.state === 'open' ? deps.sandboxes.attach(record) : undefined;
}

/** A sandbox that has stopped is not waited for. */
async function ofSandbox<T>(
  sandboxes: Pick<Sandboxes, 'verify'>,
  sandbox: OpenSandbox,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WorktrailError || (await sandboxes.verify(sandbox).catch(() => true))) throw error;
    const { sessionId } = sandbox.record;
    throw new WorktrailError('dependency_unavailable', `the sandbox of ${sessionId} has stopped`, { cause: error });
  }
}

export function rangeWithin(size: number, offset: number, length: number): { offset: number; length: number } {
  const begin = Math.min(size, offset < 0 ? Math.max(0, size + offset) : offset);
  return { offset: begin, length: Math.min(size - begin, length) };
}

function requirePath(path: unknown): void {
  const problem = typeof path === 'string' ? workTreePathProblem(path) : 'must be text';
  if (problem !== null) throw new WorktrailError('validation_failed', `path: ${problem}`);
}

function nameOf(at: 'live' | { id: string } | null): string {
  if (at === 'live') return at;
  return at?.id ?? 'base';
}

function writeHead(response: ServerResponse, { size, offset, length, blob }: LiveFile, at: string): void {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': length,
    [fileHeaders.size]: size,
    [fileHeaders.offset]: offset,
    [fileHeaders.length]: length,
    ...(blob !== null && { [fileHeaders.blob]: blob }),
    [readAtHeader]: at,
  });
  response.flushHeaders();
}

/** Resolves once the reader has room for more. */
async function write(response: ServerResponse, chunk: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!response.write(chunk)) await once(response, 'drain', { signal });
}
