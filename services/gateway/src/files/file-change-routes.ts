// Writing and deleting a file of a session: whole or not at all, in order with everything else that happens to the session.
//
// 1. The content goes to a runner, which stores it; the session's workflow then has the file changed by that name, and wakes a session that
//    sleeps. What is done is in the history, with who did it, before it is answered.
// 2. With `If-Match` only what the client has seen is changed, with `If-None-Match: *` nothing is overwritten. A file's ETag is its content's
//    name in git, as when it is read.
// 3. One request with an idempotency key is one change, however often it is sent.
// 4. Nothing outside of the work tree is changed, nor `.git`: not by the path, and no symlink is followed.

import { z } from '@hono/zod-openapi';
import type { StoredArtifact } from '@worktrail/contract/checkpoints';
import type { SessionDocument } from '@worktrail/contract/documents';
import { fileWriteBytesMax, workTreePathProblem } from '@worktrail/contract/session-files';
import { type ChangedFile, changeFile, type ChangeFileRequest } from '@worktrail/contract/session-messages';
import { createTurns, type Turns } from '@worktrail/runtime/turns';
import type { Principal } from '../authorize.ts';
import type { Draw } from '../draw.ts';
import type { Followers } from '../followers.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import { invalid, Problem } from '../problem.ts';
import type { RunnerRequests } from '../runners/runner-requests.ts';
import type { RunnerView } from '../runners/runner-view.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { refuseClosed, updateSession } from '../sessions/session-update.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';

const tag = 'Files';
const path = '/v1/sessions/{sessionId}/files/{path}';
const params = z.object({
  sessionId: id('session'),
  path: z.string().openapi({ description: 'Relative to the work tree; slashes as they are.' }),
});
const storeTimeoutMs = 20_000;
/** A session makes one change after the other, and takes few requests at once: those of one client that writes many files wait here. */
const turnBounds = { totalMax: 256, perKeyMax: 2, waitMsMax: 20_000 };

const changedFileSchema = z
  .object({
    path: z.string(),
    status: z.enum(['added', 'modified', 'mode_changed', 'unchanged']),
    additions: z.int().openapi({ description: 'Lines; 0 for what is binary.' }),
    deletions: z.int(),
    binary: z.boolean(),
    etag: z.string().openapi({ description: 'Of the content it has now.' }),
  })
  .openapi('ChangedFile');

const executable = z
  .enum(['true', 'false'])
  .optional()
  .openapi({ description: 'Whether it may be run; by default as it was, and of a new file not.' });

export interface FileChangeRouteDeps {
  sessions: SessionReader;
  runners: RunnerView;
  workflows: WorkflowClient;
  requests: Pick<RunnerRequests, 'askAny'>;
  followers: Followers;
  stopping: AbortSignal;
}

interface Asked {
  principal: Principal;
  params: { sessionId: string; path: string };
  headers: Headers;
  draw: Draw;
  retried: boolean;
  signal: AbortSignal;
}

export function addFileChangeRoutes(api: Api, deps: FileChangeRouteDeps): void {
  const turns = createTurns(turnBounds);
  api.route(
    {
      method: 'put',
      path,
      takesSlashes: true,
      tag,
      summary: 'Write a file; directories on its way are made',
      action: 'file.write',
      takesKey: true,
      params,
      query: z.object({ executable }),
      heeds: {
        'If-Match': 'One ETag, or `*`: 412 where the file has another content, or is not there.',
        'If-None-Match': '`*`: 412 where the file is there.',
      },
      rawBodyBytesMax: fileWriteBytesMax,
      answers: {
        200: { description: 'Written over what was there; `ETag`: its content', schema: changedFileSchema },
        201: { description: 'A new file', schema: changedFileSchema },
      },
    },
    async (request) => {
      const { rawBody, query } = request;
      const mode = query.executable === undefined ? null : query.executable === 'true';
      const file = await change(deps, turns, request, { bytes: rawBody, executable: mode });
      const { status, additions, deletions, binary, newBlob } = file;
      const etag = `"${newBlob}"`;
      const answer = { path: request.params.path, status, additions, deletions, binary, etag };
      return json(status === 'added' ? 201 : 200, answer, { etag });
    },
  );
  api.route(
    {
      method: 'delete',
      path,
      takesSlashes: true,
      tag,
      summary: 'Delete a file, or a symlink itself',
      action: 'file.write',
      takesKey: true,
      params,
      heeds: { 'If-Match': 'One ETag, or `*`: 412 where the file has another content.' },
      answers: { 204: { description: 'Deleted' } },
    },
    async (request) => {
      await change(deps, turns, request, null);
      return { status: 204, headers: {}, body: null };
    },
  );
}

async function change(
  deps: FileChangeRouteDeps,
  turns: Turns,
  { principal, params: { sessionId, path: file }, headers, draw, retried, signal }: Asked,
  content: { bytes: Uint8Array; executable: boolean | null } | null,
): Promise<ChangedFile> {
  const message = workTreePathProblem(file);
  if (message !== null) throw invalid({ path: 'path', message });
  const expected = expectation(headers);
  const { document } = await deps.sessions.open(principal, sessionId, 'file.write');
  await refuseClosed(deps.sessions, document);
  // A session that sleeps is woken for it.
  if (document.state === 'hibernated') await deps.runners.checkPlaceable();
  else await deps.runners.checkAlive();
  const end = deps.followers.admit('waiters', document.organizationId);
  try {
    const changeId = draw.id('event');
    const until = AbortSignal.any([signal, deps.stopping]);
    // An update that was refused answers so for ever: a repetition is another one, which the workflow knows by the change's id.
    const options = { takesLong: true, ...(!retried && { updateId: changeId }) };
    return await turns.take(sessionId, until, async () => {
      const request: ChangeFileRequest = {
        ...{ changeId, path: file, expected },
        content: content && (await store(deps.requests, document, changeId, content.bytes, until)),
        executable: content?.executable ?? null,
        actor: { kind: 'user', id: principal.id },
      };
      return await updateSession<ChangedFile>(deps, document, changeFile, [request], options);
    });
  } finally {
    end();
  }
}

/** Where every runner finds it. */
async function store(
  requests: Pick<RunnerRequests, 'askAny'>,
  { id: sessionId, organizationId, runnerId }: SessionDocument,
  changeId: string,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<StoredArtifact> {
  const target = `sessions/${sessionId}/contents/${changeId}`;
  const upload = { method: 'PUT' as const, path: target, query: { organizationId }, body: bytes };
  const answer = await requests.askAny(runnerId, { ...upload, signal, timeoutMs: storeTimeoutMs });
  return (await new Response(answer.body).json()) as StoredArtifact;
}

/** What the file has to be before. @throws validation_failed for what cannot be told apart, precondition_failed for what never holds */
export function expectation(headers: Headers): ChangeFileRequest['expected'] {
  const ifMatch = headers.get('if-match')?.trim() ?? null;
  const ifNoneMatch = headers.get('if-none-match')?.trim() ?? null;
  if (ifNoneMatch !== null) {
    const path = 'If-None-Match';
    if (ifNoneMatch !== '*') throw invalid({ path, message: 'must be *: the file is not to be there' });
    if (ifMatch !== null) throw invalid({ path, message: 'must not stand beside If-Match' });
    return 'absent';
  }
  if (ifMatch === null) return null;
  if (ifMatch === '*') return 'present';
  if (!/^(W\/)?"[^"]*"$/.test(ifMatch)) throw invalid({ path: 'If-Match', message: 'must be one ETag, or *' });
  const blob = /^"([0-9a-f]{40}|[0-9a-f]{64})"$/.exec(ifMatch)?.[1];
  // No content has such a name.
  if (blob === undefined) throw new Problem('precondition_failed', `If-Match: no file has the ETag ${ifMatch}`);
  return { blob };
}
