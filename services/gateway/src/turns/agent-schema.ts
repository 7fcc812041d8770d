// The agent that a request names, for messages, chats, tasks and trials alike.

import { z } from '@hono/zod-openapi';
import {
  type AgentSpec,
  permissionsDefault,
  type ToolKind,
  toolKinds,
  turnLimitsDefault,
  turnLimitsMax,
} from '@worktrail/contract/agents';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import { invalid } from '../problem.ts';
import { text } from '../text.ts';

const rule = z.enum(['allow', 'ask', 'deny']).optional();
const rules = Object.fromEntries(toolKinds.map((kind) => [kind, rule])) as Record<ToolKind, typeof rule>;

export const agentSchema = z
  .strictObject({
    kind: z.enum(['built_in']).optional(),
    model: text(200)
      .optional()
      .openapi({ description: 'Provider and model, "anthropic/…". Without it: the operator\'s default.' }),
    permissions: z
      .strictObject(rules)
      .optional()
      .openapi({ description: 'What it may do with each kind of tool; what is not named is allowed.' }),
    limits: z
      .strictObject({
        steps: z.int().min(1).max(turnLimitsMax.steps).optional(),
        tokens: z.int().min(1).max(turnLimitsMax.tokens).optional(),
        costUsd: z.number().positive().max(turnLimitsMax.costUsd).optional(),
        seconds: z.int().min(1).max(turnLimitsMax.seconds).optional(),
      })
      .optional(),
  })
  .openapi('Agent');

/** @param path of the field in the request. @throws invalid where nothing says which model. */
export function agentSpec(
  asked: z.output<typeof agentSchema> | undefined,
  operator: Pick<OperatorConfig, 'model'>,
  path = 'agent',
): AgentSpec {
  const model = asked?.model ?? operator.model.default;
  if (model === null) throw invalid({ path: `${path}.model`, message: 'is needed: the operator has set no default' });
  return {
    kind: asked?.kind ?? 'built_in',
    model,
    command: '',
    permissions: { ...permissionsDefault, ...asked?.permissions },
    limits: { ...turnLimitsDefault, ...asked?.limits },
  };
}
