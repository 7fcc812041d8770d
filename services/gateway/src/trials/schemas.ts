// The JSON of a trial.

import { z } from '@hono/zod-openapi';
import type { TrialDocument } from '@worktrail/contract/documents';
import { limits } from '@worktrail/contract/limits';
import { commandText, id, name, time } from '../text.ts';

const notYet = (what: string) =>
  z
    .never({ error: `${what} cannot be run yet: give commands` })
    .optional()
    .openapi({ type: 'null', description: 'Not available yet.' });

const commands = z.array(commandText).min(1).max(limits.attemptCommandsMax);

const attempt = z
  .strictObject({
    title: name.optional(),
    commands: commands.optional(),
    message: notYet('messages'),
    agent: notYet('agents'),
  })
  .refine((value) => value.commands !== undefined, { path: ['commands'], message: 'is required' });

export const createTrialSchema = z
  .strictObject({
    name: name.optional(),
    attempts: z.array(attempt).min(1).max(limits.attemptsMax).openapi({ description: 'One session each.' }),
    verify: z
      .array(commandText)
      .max(limits.attemptCommandsMax)
      .default([])
      .openapi({ description: 'Passed means that all of these exit 0; without them, that all commands did.' }),
    maxParallel: z.int().min(1).max(limits.attemptsMax).optional(),
  })
  .openapi('CreateTrial');

export const startTaskSchema = z
  .strictObject({ commands: commands.optional(), message: notYet('messages'), agent: notYet('agents') })
  .refine((value) => value.commands !== undefined, { path: ['commands'], message: 'is required' })
  .openapi('StartTask');

export const trialSchema = z
  .object({
    id: id('trial'),
    taskId: id('task'),
    projectId: id('project'),
    name: z.string(),
    state: z.enum(['running', 'completed', 'failed', 'canceled']),
    sessions: z.array(
      z.object({
        sessionId: id('session'),
        title: z.string(),
        state: z.enum(['pending', 'running', 'ended']).openapi({ description: 'Of the attempt.' }),
        verdict: z.enum(['passed', 'failed']).nullable(),
        reason: z.string().nullable(),
        commandIds: z.array(id('command')),
        startedAt: time.nullable(),
        endedAt: time.nullable(),
      }),
    ),
    createdAt: time,
    endedAt: time.nullable(),
  })
  .openapi('Trial');

export function trialJson(document: TrialDocument) {
  const { version: _version, organizationId: _organizationId, ...shown } = document;
  return shown;
}
