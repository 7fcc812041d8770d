// Which agent answers, what it may do, and how much: options of the command line as the API takes them.

import type { Agent, AgentKind, ToolKind } from '@worktrail/client';

export interface AgentOptions {
  agent?: AgentKind;
  agentCommand?: string;
  model?: string;
  ask?: ToolKind[];
  deny?: ToolKind[];
  maxSteps?: number;
  maxTokens?: number;
  maxCost?: number;
  maxSeconds?: number;
}

/** undefined where nothing was said: the operator's defaults. */
export function agentInput(options: AgentOptions): Agent | undefined {
  const { agent: kind, agentCommand: command, model, ask = [], deny = [] } = options;
  const limits = given({
    steps: options.maxSteps,
    tokens: options.maxTokens,
    costUsd: options.maxCost,
    seconds: options.maxSeconds,
  });
  // What is denied is not asked for.
  const permissions = Object.fromEntries([...ask.map((tool) => [tool, 'ask']), ...deny.map((tool) => [tool, 'deny'])]);
  return given({ kind, model, command, limits, permissions: given(permissions) });
}

/** Without what is undefined; undefined where that is all. */
function given<Values extends object>(values: Values): Values | undefined {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? (Object.fromEntries(entries) as Values) : undefined;
}
