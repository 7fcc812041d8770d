// What a session has changed: between the commit that it began with, its checkpoints, and its files as they are now.
//
// 1. `head` is the work tree as of now: a checkpoint that is due is made before it is compared. Of a session that sleeps it is the newest
//    checkpoint, and nothing is woken.
// 2. The list of files is complete up to `diffFilesMax`; the patch ends with a visible line where it is longer than `diffPatchBytesMax`.

import { isUtf8 } from 'node:buffer';
import { z } from '@hono/zod-openapi';
import {
  type DiffFiles,
  type DiffRequest,
  diffFilesMax,
  diffPatchBytesMax,
  diffTruncatedHeader,
  type TreeRef,
} from '@worktrail/contract/session-files';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { RunnerRequests } from '../runners/runner-requests.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { id } from '../text.ts';
import type { SessionFiles } from './session-files.ts';

/** A runner that has nothing of the session fetches what it needs first. */
const diffTimeoutMs = 30_000;

const endSchema = z.object({
  checkpointId: id('checkpoint').nullable().openapi({ description: 'null: the commit that the session began with.' }),
  commit: z.string(),
});

const diffFileSchema = z
  .object({
    path: z.string().openapi({ description: 'Bytes that are not UTF-8, and control characters, as \\x escapes.' }),
    oldPath: z.string().optional().openapi({ description: 'Of a renamed file.' }),
    status: z.enum(['added', 'modified', 'deleted', 'renamed', 'mode_changed']),
    additions: z.int(),
    deletions: z.int(),
    binary: z.boolean(),
  })
  .openapi('DiffFile');

const diffSchema = z
  .object({
    files: z.array(diffFileSchema).openapi({ description: `At most ${diffFilesMax}.` }),
    filesTruncated: z.boolean().openapi({ description: 'More files differ than are listed.' }),
    patch: z.string().openapi({
      description: `As git apply takes it; at most ${diffPatchBytesMax} bytes, cut before the file that goes over it.`,
    }),
    truncated: z.boolean().openapi({ description: 'The patch is cut, which its last line says too.' }),
    patchIsExact: z.boolean().openapi({
      description: 'False: it has bytes that are not UTF-8, which `Accept: text/x-diff` gives as they are.',
    }),
    from: endSchema,
    to: endSchema,
    upToDate: z.boolean().openapi({
      description: 'False: something has run since the newest checkpoint that is not in the comparison yet.',
    }),
  })
  .openapi('Diff');

export interface DiffRouteDeps {
  sessions: SessionReader;
  files: SessionFiles;
  requests: RunnerRequests;
}

export function addDiffRoutes(api: Api, { sessions, files, requests }: DiffRouteDeps): void {
  api.route(
    {
      method: 'get',
      path: '/v1/sessions/{sessionId}/diff',
      tag: 'Files',
      summary: 'What differs between two states of the files; with Accept: text/x-diff the patch alone',
      action: 'file.read',
      params: z.object({ sessionId: id('session') }),
      query: z.object({
        from: z.string().default('base').openapi({ description: '`base`, `head`, or the id of a checkpoint.' }),
        to: z.string().default('head').openapi({ description: '`base`, `head`, or the id of a checkpoint.' }),
        patch: z
          .enum(['true', 'false'])
          .default('true')
          .openapi({ description: '`false`: only the list; the patch is empty.' }),
      }),
      answers: {
        200: {
          description:
            'The comparison. With Accept: text/x-diff the patch, as bytes; `X-Truncated` and `X-Up-To-Date` say what the members do',
          schema: diffSchema,
          contentTypes: ['text/x-diff'],
        },
      },
    },
    async ({ principal, params: { sessionId }, query, headers, signal }) => {
      const { document: known } = await sessions.open(principal, sessionId, 'file.read');
      const wantsHead = [query.from, query.to].includes('head');
      const { document, upToDate } = wantsHead
        ? await files.settled(known)
        : { document: await sessions.newest(known), upToDate: true };
      const session = files.ref(document);
      const [from, to] = [await files.tree(document, query.from, 'from'), await files.tree(document, query.to, 'to')];
      const request: DiffRequest = { session, from, to };
      const ask = (what: 'files' | 'patch') =>
        requests.askAny(document.runnerId, {
          ...{ method: 'POST', path: `sessions/${sessionId}/diff/${what}`, json: request },
          ...{ signal, timeoutMs: diffTimeoutMs },
        });
      if (headers.get('accept')?.includes('text/x-diff')) {
        const patch = await ask('patch');
        const truncated = patch.headers.get(diffTruncatedHeader) === 'true';
        const said = { 'x-truncated': String(truncated), 'x-up-to-date': String(upToDate) };
        return { status: 200, headers: { 'content-type': 'text/x-diff', ...said }, body: patch.body };
      }
      const [list, patch] = await Promise.all([ask('files'), query.patch === 'true' ? ask('patch') : undefined]);
      const listed = (await new Response(list.body).json()) as DiffFiles;
      const bytes = patch ? Buffer.from(await new Response(patch.body).arrayBuffer()) : Buffer.alloc(0);
      const end = (tree: TreeRef) => ({ checkpointId: tree?.id ?? null, commit: tree?.commit ?? session.baseCommit });
      return json(200, {
        files: listed.files,
        filesTruncated: listed.truncated,
        patch: bytes.toString('utf8'),
        truncated: patch?.headers.get(diffTruncatedHeader) === 'true',
        patchIsExact: isUtf8(bytes),
        ...{ from: end(from), to: end(to), upToDate },
      });
    },
  );
}
