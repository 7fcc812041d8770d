// The agent that a request names, for messages, chats, tasks and trials alike.

import { z } from '@hono/zod-openapi';
import {
  agentKinds,
  type AgentSpec,
  permissionsDefault,
  silenceSecondsMax,
  type ToolKind,
  toolKinds,
  turnLimitsDefault,
  turnLimitsMax,
} from '@worktrail/contract/agents';
import type { OperatorConfig } from '@worktrail/runtime/operator-config';
import { invalid } from '../problem.ts';
import { text } from '../text.ts';

const commandLengthMax = 4_000;
const rule = z.enum(['allow', 'ask', 'deny']).optional();
const rules = Object.fromEntries(toolKinds.map((kind) => [kind, rule])) as Record<ToolKind, typeof rule>;

export const agentSchema = z
  .strictObject({
    kind: z.enum(agentKinds).optional().openapi({
      description: 'Without it: "built_in". The others run in the sandbox, whose image or setup has to have them.',
    }),
    model: text(200).min(1).optional().openapi({
      description:
        'Provider and model, "anthropic/…". Without it: the operator\'s default. Of an agent that is not built in: what it is told, or its own choice.',
    }),
    command: text(commandLengthMax)
      .optional()
      .openapi({ description: 'Of a "custom" agent: speaks the Agent Client Protocol; run with sh in the work tree.' }),
    silenceSeconds: z.int().min(1).max(silenceSecondsMax).optional().openapi({
      description: 'Of an agent that is not built in: so long without a word from it, and its turn has failed.',
    }),
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
  const kind = asked?.kind ?? 'built_in';
  const command = asked?.command ?? '';
  if ((kind === 'custom') !== (command !== '')) {
    throw invalid({ path: `${path}.command`, message: 'is needed for a "custom" agent, and for no other' });
  }
  const model = asked?.model ?? (kind === 'built_in' ? operator.model.default : '');
  if (model === null) throw invalid({ path: `${path}.model`, message: 'is needed: the operator has set no default' });
  return {
    kind,
    model,
    command,
    ...(asked?.silenceSeconds !== undefined && { silenceSeconds: asked.silenceSeconds }),
    permissions: { ...permissionsDefault, ...asked?.permissions },
    limits: { ...turnLimitsDefault, ...asked?.limits },
  };
}
