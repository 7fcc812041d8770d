// The JSON of a session.

import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { type AgentLimits, agentLimitsMax, agentLimitsNone } from '@worktrail/contract/agents';
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
    'creating → ready ⇄ busy (a command is live, or a turn of an agent goes on)',
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

const agentLimitsSchema = z
  .strictObject({
    steps: z.int().min(1).max(agentLimitsMax.steps).nullable().optional(),
    tokens: z.int().min(1).max(agentLimitsMax.tokens).nullable().optional(),
    costUsd: z.number().positive().max(agentLimitsMax.costUsd).nullable().optional(),
    seconds: z.int().min(1).max(agentLimitsMax.seconds).nullable().optional(),
  })
  .openapi('AgentLimits', {
    description:
      'Of all turns of the session together; null: none. A turn that meets one ends with `limit_reached`, "session_steps", "session_tokens", "session_cost" or "session_time".',
  });

/** As the workflow has them: what is not named is no limit. */
export function agentLimitsOf(asked: z.output<typeof agentLimitsSchema>): AgentLimits {
  return { ...agentLimitsNone, ...namedLimits(asked) };
}

export function namedLimits(asked: z.output<typeof agentLimitsSchema>): Partial<AgentLimits> {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
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
    agentLimits: agentLimitsSchema.required(),
    agentUsage: z
      .object({ steps: z.int(), tokens: z.int(), costUsd: z.number(), seconds: z.number() })
      .openapi({ description: 'What the turns of the session took that have ended. A fork begins with nothing.' }),
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
    agentLimits: agentLimitsSchema
      .optional()
      .openapi({ description: 'A fork has those of its parent where it says nothing.' }),
  })
  .openapi('CreateSession');

export const patchSessionSchema = z
  .strictObject({ title: name.optional(), labels: labels.optional(), agentLimits: agentLimitsSchema.optional() })
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
    agentLimits: document.agentLimits ?? agentLimitsNone,
    agentUsage: document.agentUsage ?? { steps: 0, tokens: 0, costUsd: 0, seconds: 0 },
  };
}

/** Of what PATCH can change: title, labels and limits. The rest of a session moves on its own. */
export function sessionEtag(document: SessionDocument): string {
  const changeable = JSON.stringify([document.title, Object.entries(document.labels).toSorted(), limitsOf(document)]);
  return createHash('sha256').update(changeable).digest('hex').slice(0, 16);
}

function limitsOf({ agentLimits }: SessionDocument) {
  const { steps, tokens, costUsd, seconds } = agentLimits ?? agentLimitsNone;
  return [steps, tokens, costUsd, seconds];
}
