// Suggestions and scans as the API shows them.

import { z } from '@hono/zod-openapi';
import {
  type ScanDocument,
  type SuggestionDocument,
  suggestionKinds,
  suggestionLimits,
  suggestionStates,
} from '@worktrail/contract/suggestions';
import { pageOf } from '../pagination.ts';
import { sessionSchema } from '../sessions/schemas.ts';
import { taskSchema } from '../tasks/task-json.ts';
import { id, text, time } from '../text.ts';
import { agentSchema } from '../turns/agent-schema.ts';
import { messageText } from '../turns/message-text.ts';

export const suggestionSchema = z
  .object({
    id: id('suggestion'),
    projectId: id('project'),
    kind: z.enum(suggestionKinds),
    title: z.string().openapi({ description: 'One line without control characters.' }),
    description: z.string(),
    score: z.number().openapi({ description: 'From 0 to 1: how much it seems worth.' }),
    state: z.enum(suggestionStates).openapi({ description: 'resolved: what it was about is not there any more.' }),
    evidence: z
      .array(
        z.object({
          path: z
            .string()
            .openapi({ description: 'Bytes that are not UTF-8, and control characters, as \\x escapes.' }),
          firstLine: z.int(),
          lastLine: z.int(),
          blobId: z.string().openapi({ description: 'The id of the content, as git names it.' }),
        }),
      )
      .openapi({ description: 'Lines of `commit`.' }),
    output: z
      .object({ sessionId: id('session'), commandId: id('command'), command: z.string(), text: z.string() })
      .nullable()
      .openapi({ description: 'Of a failing check: what it printed last.' }),
    commit: z.string().openapi({ description: 'At which it was seen last.' }),
    reason: z.string().nullable().openapi({ description: 'Why it was dismissed.' }),
    taskId: id('task').nullable(),
    sessionId: id('session').nullable(),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Suggestion');

export const scanSchema = z
  .object({
    projectId: id('project'),
    state: z.enum(['running', 'completed', 'failed']),
    step: z.enum(['reading', 'checking', 'asking', 'storing']).nullable(),
    commit: z.string().nullable(),
    kinds: z.array(z.enum(suggestionKinds)).openapi({ description: 'Looked for to the end.' }),
    added: z.int(),
    updated: z.int(),
    resolved: z.int(),
    notes: z.array(z.string()).openapi({ description: 'What was not done or not kept, and why.' }),
    detail: z.string().nullable().openapi({ description: 'Why it failed.' }),
    startedAt: time,
    endedAt: time.nullable(),
  })
  .openapi('Scan');

export const suggestionPageSchema = pageOf(suggestionSchema)
  .extend({ scan: scanSchema.nullable().openapi({ description: 'The newest one of the project.' }) })
  .openapi('SuggestionPage');

export const acceptSchema = z
  .strictObject({
    agent: agentSchema.optional(),
    message: messageText.optional().openapi({ description: 'To the agent, instead of what the suggestion says.' }),
  })
  .openapi('AcceptSuggestion');

export const acceptedSchema = z
  .object({
    suggestion: suggestionSchema,
    task: taskSchema,
    session: sessionSchema,
    turnId: id('turn').nullable().openapi({ description: 'null: no model is configured, and none was named.' }),
  })
  .openapi('SuggestionAccepted');

export const dismissSchema = z
  .strictObject({ reason: text(suggestionLimits.reasonLengthMax).optional() })
  .openapi('DismissSuggestion');

export function suggestionJson(document: SuggestionDocument): z.output<typeof suggestionSchema> {
  const { organizationId: _, fingerprint: _fingerprint, decidedBy: _by, accepted, ...shown } = document;
  return { ...shown, taskId: accepted?.taskId ?? null, sessionId: accepted?.sessionId ?? null };
}

export function scanJson(document: ScanDocument): z.output<typeof scanSchema> {
  const { organizationId: _, version: _version, ...shown } = document;
  return shown;
}
