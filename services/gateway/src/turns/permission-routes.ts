// Answers to what an agent asks before it does it.

import { z } from '@hono/zod-openapi';
import { toolKinds } from '@worktrail/contract/agents';
import { isId } from '@worktrail/contract/ids';
import {
  answerPermission,
  type AnswerPermissionRequest,
  describePermissions,
  type PermissionAnswer,
  type PermissionRequest,
} from '@worktrail/contract/permissions';
import { WorktrailError } from '@worktrail/contract/errors';
import { sessionWorkflowId } from '@worktrail/contract/session-messages';
import type { Api } from '../http/api.ts';
import { json } from '../http/reply.ts';
import type { SessionReader } from '../sessions/session-reader.ts';
import { updateSession } from '../sessions/session-update.ts';
import { id } from '../text.ts';
import type { WorkflowClient } from '../workflow-client.ts';

const permissionId = z
  .string()
  .refine((value) => {
    const [turnId = '', number = ''] = value.split('-');
    return isId(turnId, 'turn') && /^p[1-9]\d{0,8}$/.test(number) && value === `${turnId}-${number}`;
  }, 'must be an id trn_…-p…')
  .openapi({ example: 'trn_01jd0000000000000000000000-p1' });

const decision = z.enum(['allow', 'deny']);

export const permissionSchema = z
  .object({ permissionId, toolCallId: z.string(), toolKind: z.enum(toolKinds), detail: z.string() })
  .openapi('Permission');

export interface PermissionRouteDeps {
  sessions: SessionReader;
  workflows: WorkflowClient;
}

export function addPermissionRoutes(api: Api, { sessions, workflows }: PermissionRouteDeps): void {
  api.route(
    {
      method: 'post',
      path: '/v1/sessions/{sessionId}/permissions/{permissionId}',
      tag: 'Turns',
      summary: 'Allow or deny what the agent asks for',
      action: 'permission.answer',
      params: z.object({ sessionId: id('session'), permissionId }),
      body: z
        .strictObject({
          decision,
          remember: z
            .boolean()
            .default(false)
            .openapi({ description: 'It stands for every tool of that kind that would be asked for in this session.' }),
        })
        .openapi('AnswerPermission'),
      answers: {
        200: {
          description: 'Answered, now or by the same answer before',
          schema: z.object({ permissionId, decision, remember: z.boolean() }).openapi('PermissionAnswer'),
        },
      },
    },
    async ({ principal, params, body: { decision: decided, remember } }) => {
      const { document } = await sessions.open(principal, params.sessionId, 'permission.answer');
      const request: AnswerPermissionRequest = {
        ...{ permissionId: params.permissionId, decision: decided, remember },
        actor: { kind: 'user', id: principal.id },
      };
      return json(
        200,
        await updateSession<PermissionAnswer>({ sessions, workflows }, document, answerPermission, [request]),
      );
    },
  );
}

/** What of a turn waits for somebody; undefined where its workflow does not answer now. */
export async function pendingPermissions(
  workflows: Pick<WorkflowClient, 'query'>,
  sessionId: string,
  turnId: string,
): Promise<PermissionRequest[] | undefined> {
  try {
    return (
      (await workflows.query<PermissionRequest[]>(sessionWorkflowId(sessionId), describePermissions, [turnId])) ?? []
    );
  } catch (error) {
    if (error instanceof WorktrailError && error.code === 'dependency_unavailable') return undefined;
    throw error;
  }
}
