// The JSON of a trial.

import { z } from '@hono/zod-openapi';
import type { TrialDocument } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import { turnLimitsMax } from '@worktrail/contract/agents';
import { commandText, id, name, time } from '../text.ts';
import { agentSchema } from '../turns/agent-schema.ts';
import { messageText } from '../turns/message-text.ts';

const commands = z.array(commandText).min(1).max(limits.attemptCommandsMax);

const attempt = z
  .strictObject({
    title: name.optional(),
    commands: commands.optional().openapi({ description: 'Run first; with a message, to prepare for it.' }),
    message: messageText.optional().openapi({ description: 'What the agent is told.' }),
    agent: agentSchema.optional(),
  })
  .refine((value) => value.commands !== undefined || value.message !== undefined, {
    path: ['message'],
    message: 'is required, where there are no commands',
  })
  .refine((value) => value.agent === undefined || value.message !== undefined, {
    path: ['message'],
    message: 'is required: the agent has nothing to answer',
  });

export const createTrialSchema = z
  .strictObject({
    name: name.optional(),
    attempts: z.array(attempt).min(1).max(limits.attemptsMax).openapi({ description: 'One session each.' }),
    verify: z.array(commandText).max(limits.attemptCommandsMax).default([]).openapi({
      description:
        'Passed means that all of these exit 0; without them, that all commands did and the turn was completed.',
    }),
    maxParallel: z.int().min(1).max(limits.attemptsMax).optional(),
    stopWhen: z
      .enum(['passed'])
      .optional()
      .openapi({ description: 'Once an attempt has passed, the others are stopped and end without a verdict.' }),
    budget: z
      .strictObject({
        tokens: z.int().min(1).max(turnLimitsMax.tokens).optional(),
        costUsd: z.number().positive().max(turnLimitsMax.costUsd).optional(),
        seconds: z.int().min(1).max(turnLimitsMax.seconds).optional(),
      })
      .optional()
      .openapi({
        description:
          'Of all attempts together, seconds from the start of the trial. Used up, no turn goes on or begins.',
      }),
  })
  .openapi('CreateTrial');

export const startTaskSchema = z
  .strictObject({
    commands: commands.optional(),
    message: messageText
      .optional()
      .openapi({ description: "Without it, and without commands: the task's title and description." }),
    agent: agentSchema.optional(),
  })
  .refine((value) => value.agent === undefined || value.commands === undefined || value.message !== undefined, {
    path: ['message'],
    message: 'is required: the agent has nothing to answer',
  })
  .openapi('StartTask');

const trialSessionSchema = z
  .object({
    sessionId: id('session'),
    title: z.string(),
    state: z.enum(['pending', 'running', 'ended']).openapi({ description: 'Of the attempt.' }),
    verdict: z.enum(['passed', 'failed']).nullable(),
    reason: z.string().nullable(),
    commandIds: z.array(id('command')),
    turnId: id('turn').nullable().openapi({ description: 'Of its message, once that was sent.' }),
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .openapi('TrialSession');

export const trialSchema = z
  .object({
    id: id('trial'),
    taskId: id('task'),
    projectId: id('project'),
    name: z.string(),
    state: z.enum(['running', 'completed', 'failed', 'canceled']),
    reason: z
      .string()
      .nullable()
      .openapi({ description: 'Why it ended before each attempt had run its course; null: it did not.' }),
    stopWhen: z.enum(['passed']).nullable(),
    budget: z.object({
      tokens: z.int().optional(),
      costUsd: z.number().optional(),
      seconds: z.int().optional(),
    }),
    usage: z
      .object({ tokens: z.int(), costUsd: z.number() })
      .openapi({ description: 'Of all turns, in and out, as far as their sessions have told.' }),
    sessions: z.array(trialSessionSchema),
    createdAt: time,
    endedAt: time.nullable(),
  })
  .openapi('Trial');

export function trialJson(document: TrialDocument) {
  const { version: _version, organizationId: _organizationId, ...shown } = document;
  return shown;
}
