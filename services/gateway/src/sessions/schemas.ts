// The JSON of a session.

import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { type Cursor, formatCursor } from '@worktrail/contract/cursor';
import type { SessionDocument } from '@worktrail/contract/documents';
import { id, labels, name, time, variables } from '../text.ts';
import { gitRef } from './git-ref.ts';

const states = [
  'creating',
  'ready',
  'busy',
  'hibernating',
  'hibernated',
  'resuming',
  'failed',
  'archived',
] as const satisfies readonly SessionDocument['state'][];

export const sessionState = z.enum(states).openapi({
  description: [
    'creating → ready ⇄ busy (a command is live)',
    'ready → hibernating (its files are being stored) → hibernated, or ready again when they could not be stored',
    'hibernated (also a fork that was not used yet) → resuming (by a command or a request) → ready, or hibernated again',
    'busy → resuming (its sandbox or its host was lost)',
    'any → failed (see `failure`), archived',
  ].join('; '),
});

function commits(which: string) {
  const seen = 'as at the newest checkpoint, as the mirror had the default branch then; null: not known yet.';
  return z
    .int()
    .nullable()
    .openapi({ description: `Commits ${which}, ${seen}` });
}

export const sessionSchema = z
  .object({
    id: id('session'),
    projectId: id('project'),
    taskId: id('task').nullable(),
    trialId: id('trial').nullable(),
    title: z.string(),
    labels: z.record(z.string(), z.string()),
    state: sessionState,
    branch: z.string(),
    baseCommit: z.string().nullable(),
    headCommit: z.string().nullable(),
    ahead: commits('that the head has and the default branch has not'),
    behind: commits('that the default branch has and the head has not'),
    runner: z.string().nullable(),
    queuePosition: z.int().nullable().openapi({
      description: 'Its rank, from 1, among all sessions that wait for a place on a runner; null: it does not wait.',
    }),
    lastCursor: z.string().openapi({ description: 'Of the newest event: what comes later is read with after=.' }),
    createdAt: time,
    lastActiveAt: time,
    fork: z
      .object({ sessionId: id('session'), checkpointId: id('checkpoint') })
      .nullable()
      .openapi({
        description: 'Where its files and the beginning of its history are from; null: it began with the repository.',
      }),
    failure: z.object({ code: z.string(), detail: z.string() }).optional(),
  })
  .openapi('Session');

export const createSessionSchema = z
  .strictObject({
    title: name.optional(),
    taskId: id('task').optional(),
    trialId: id('trial').optional(),
    baseRef: gitRef
      .optional()
      .openapi({ description: 'Branch, tag or commit; without it, the newest default branch.' }),
    fork: z
      .strictObject({ sessionId: id('session'), checkpointId: id('checkpoint').optional() })
      .optional()
      .openapi({
        description:
          'Begins with the files and history of another session of the project as at a checkpoint, hibernated.',
      }),
    env: variables.default({}),
    labels: labels.default({}),
  })
  .openapi('CreateSession');

export const patchSessionSchema = z
  .strictObject({ title: name.optional(), labels: labels.optional() })
  .openapi('PatchSession');

export function sessionJson(document: SessionDocument, lastCursor: Cursor, queuePosition: number | null) {
  return {
    id: document.id,
    projectId: document.projectId,
    taskId: document.taskId,
    trialId: document.trialId,
    title: document.title,
    labels: document.labels,
    state: document.state,
    branch: document.branch,
    baseCommit: document.baseCommit,
    headCommit: document.headCommit,
    ahead: document.position?.ahead ?? null,
    behind: document.position?.behind ?? null,
    runner: document.runnerId,
    queuePosition,
    lastCursor: formatCursor(lastCursor),
    createdAt: document.createdAt,
    lastActiveAt: document.lastActiveAt,
    fork: document.fork ?? null,
    ...(document.failure && { failure: document.failure }),
  };
}

/** Of what PATCH can change: title and labels. The rest of a session moves on its own. */
export function sessionEtag(document: SessionDocument): string {
  const changeable = JSON.stringify([document.title, Object.entries(document.labels).toSorted()]);
  return createHash('sha256').update(changeable).digest('hex').slice(0, 16);
}
