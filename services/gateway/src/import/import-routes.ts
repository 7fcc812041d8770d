// POST /v1/projects/{projectId}/import: a history that was exported, piece by piece, into an organization that has none.
//
// 1. A piece is the first line of the file, then lines that follow those of the piece before, the last of which comes again. All of it is
//    checked before any of it is stored, and a piece that comes again changes nothing.
// 2. There is no session until the last piece, which has the end: it makes one, archived, once everything that the file has is stored.
// 3. Ids stay as they are. A session of this cluster is never added to: what has a document that no import made is refused, whoever's it is.

import type { KV } from '@nats-io/kv';
import { z } from '@hono/zod-openapi';
import { toCursor, formatCursor } from '@worktrail/contract/cursor';
import type { SessionDocument } from '@worktrail/contract/documents';
import { WorktrailError } from '@worktrail/contract/errors';
import { partitionOf, sessionKey } from '@worktrail/contract/subjects';
import { createDocument, readDocument } from '@worktrail/runtime/buckets';
import type { ProducerDeps } from '@worktrail/runtime/event-producer';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import type { Audit } from '../audit.ts';
import { importKey } from '../configuration-keys.ts';
import type { ConfigurationStore } from '../configuration-store.ts';
import { callTimeoutsMs, within } from '../deadline.ts';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { ProjectReader } from '../projects/project-reader.ts';
import { id } from '../text.ts';
import { askTraceStore } from '../trace-store.ts';
import { type ImportEnd, type ImportHeader, parseLines } from './parse-lines.ts';
import { publishImported } from './publish-imported.ts';

/** An event of a mebibyte, as JSON and as base64, and others. */
const pieceBytesMax = 16 * 1024 * 1024;
const countTimeoutMs = 60_000;

export interface ImportRouteDeps {
  store: ConfigurationStore;
  projects: Pick<ProjectReader, 'open'>;
  sessions: KV;
  producer: ProducerDeps;
  trace: Pick<TraceClient, 'query'>;
  audit: Audit;
  partitions: number;
}

const answerSchema = z
  .object({
    sessionId: id('session'),
    events: z.int().openapi({ description: 'Of this piece.' }),
    stored: z.int().openapi({ description: 'Of these, such as were not there before.' }),
    complete: z.boolean().openapi({ description: 'There is the session now, with its whole history.' }),
  })
  .openapi('ImportedPiece');

export function addImportRoutes(api: Api, deps: ImportRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/projects/{projectId}/import',
      tag: 'Analytics',
      summary: "A piece of a session's export in jsonl, into an organization without sessions of its own",
      action: 'history.import',
      params: z.object({ projectId: id('project') }),
      rawBodyBytesMax: pieceBytesMax,
      keepsNoAnswer: true,
      answers: {
        200: {
          description: "The file's first line, then lines as they follow; the last piece has its end",
          schema: answerSchema,
        },
      },
    },
    async (request) => {
      const { principal, params, rawBody, signal } = request;
      const { organizationId } = principal;
      const project = await deps.projects.open(principal, params.projectId, 'history.import');
      const { session, events, end } = parseLines(rawBody);
      await requireEmpty(deps, organizationId);
      for (const { sessionId } of [{ sessionId: session.id }, ...session.inherited]) {
        await requireImported(deps, organizationId, sessionId);
      }
      // A fork is where its ancestors are.
      const partition = partitionOf(session.inherited[0]?.sessionId ?? session.id, deps.partitions);
      const into = { organizationId, projectId: project.value.id, partition };
      const stored = await publishImported(deps.producer, into, events, signal);
      if (end) {
        const inherited = await inheritedOf(deps, organizationId, session, end);
        const document = documentOf({ ...into, session, inherited, repository: project.value.repository });
        await within('nats', callTimeoutsMs.nats, () =>
          createDocument(deps.sessions, sessionKey(organizationId, session.id), document),
        );
        const entry = { organizationId, action: 'history.imported', resourceId: session.id };
        await deps.audit.record(request, { ...entry, detail: { events: end.events, sha256: end.sha256 } });
      }
      return json(200, { sessionId: session.id, events: events.length, stored, complete: end !== undefined });
    },
  );
}

/** Once it has begun to import into an empty one, it may go on. */
async function requireEmpty({ store, sessions }: ImportRouteDeps, organizationId: string): Promise<void> {
  if (await store.read(importKey(organizationId))) return;
  const has = await within('nats', callTimeoutsMs.nats, async () => {
    for await (const _ of await sessions.keys(`${organizationId}.*`)) return true;
    return false;
  });
  if (has) throw new WorktrailError('conflict', 'the organization has sessions: import into one that has none');
  await store.put(importKey(organizationId), { at: new Date().toISOString() });
}

/** A session's workflow is known by its id alone, so an id that any organization of the cluster has lived under is not given away. */
async function requireImported(
  { sessions }: ImportRouteDeps,
  organizationId: string,
  sessionId: string,
): Promise<void> {
  const taken = new WorktrailError('conflict', `there is a session ${sessionId} in this cluster already`);
  await within('nats', callTimeoutsMs.nats, async () => {
    for await (const key of await sessions.keys(`*.${sessionId}`)) {
      if (key !== sessionKey(organizationId, sessionId)) throw taken;
      const stored = await readDocument<SessionDocument>(sessions, key);
      if (stored && !stored.value.imported) throw taken;
    }
  });
}

/**
 * Where in this store each ancestor's part of the history ends.
 * @throws conflict while not all is stored that the file has.
 */
async function inheritedOf(
  deps: ImportRouteDeps,
  organizationId: string,
  { id: sessionId, inherited }: ImportHeader['session'],
  { events, inherited: counts }: ImportEnd,
): Promise<SessionDocument['inherited']> {
  const ofAncestors = inherited.reduce((sum, one) => sum + (counts[one.sessionId] ?? 0), 0);
  await requireStored(deps, organizationId, sessionId, events - ofAncestors);
  const found: SessionDocument['inherited'] = [];
  for (const one of inherited) {
    const count = counts[one.sessionId];
    if (count === undefined) continue;
    const [last] = await asked(
      deps,
      organizationId,
      `SELECT epoch, sequence, fill FROM events WHERE session_id = '${one.sessionId}'
       ORDER BY epoch, sequence, fill LIMIT 1 OFFSET ${count - 1}`,
    );
    if (!last) throw incomplete(one.sessionId);
    const cursor = toCursor(Number(last['epoch']), Number(last['sequence']), Number(last['fill']));
    found.push({ sessionId: one.sessionId, branch: one.branch, upTo: formatCursor(cursor) });
  }
  return found;
}

async function requireStored(deps: ImportRouteDeps, organizationId: string, sessionId: string, count: number) {
  const sql = `SELECT count() AS events FROM events WHERE session_id = '${sessionId}'`;
  const [row] = await asked(deps, organizationId, sql);
  if (Number(row?.['events']) !== count) throw incomplete(sessionId, Number(row?.['events']), count);
}

/** Behind the barrier: whatever was published before is counted. */
async function asked(
  { trace }: ImportRouteDeps,
  organizationId: string,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const { rowsJson } = await askTraceStore(() => trace.query({ organizationId, sql }, { timeoutMs: countTimeoutMs }), {
    timeoutMs: countTimeoutMs,
  });
  return JSON.parse(rowsJson) as Record<string, unknown>[];
}

function incomplete(sessionId: string, has?: number, count?: number): WorktrailError {
  const how = has === undefined ? '' : `: it has ${has} of ${count} events`;
  return new WorktrailError(
    'conflict',
    `the history of ${sessionId} is not whole${how}; import its file from the beginning`,
  );
}

function documentOf(of: {
  organizationId: string;
  projectId: string;
  partition: number;
  session: ImportHeader['session'];
  inherited: SessionDocument['inherited'];
  repository: SessionDocument['repository'];
}): SessionDocument {
  const { organizationId, projectId, partition, session, inherited, repository } = of;
  const { id: sessionId, taskId, trialId, title, labels, branch, baseCommit, headCommit } = session;
  return {
    ...{ version: 1, id: sessionId, organizationId, projectId, taskId, trialId, partition, title, labels },
    ...{ state: 'archived' as const, imported: true as const, repository, branch, baseCommit, headCommit },
    ...{ position: null, runnerId: null, generation: 0, filesGeneration: 0, waitingForPlaceSince: null },
    ...{ checkpoint: null, artifacts: [], fork: null, inherited, forkPoint: null, failure: null },
    ...{ createdAt: session.createdAt, lastActiveAt: session.lastActiveAt },
  };
}
