// The attempts of a trial as the command line says them: commands, and messages to each of the named agents.

import type { AgentKind, CreateTrial } from '@worktrail/client';
import { UsageError } from '../exit-codes.ts';
import { cutTo, visible } from '../screen/visible-text.ts';
import { type AgentOptions, agentInput } from '../turn/agent-options.ts';

export interface AttemptOptions extends Omit<AgentOptions, 'agent' | 'model'> {
  attempt?: string[];
  message?: string[];
  prepare?: string[];
  agent?: AgentKind[];
  model?: string[];
  times?: number;
}

type Attempt = CreateTrial['attempts'][number];

const titleColumnsMax = 80;
const attemptsMax = 16;

/** Each command is one; each message is one for each agent, each model, so many times. */
export function plannedAttempts(options: AttemptOptions): Attempt[] {
  const { attempt = [], message = [], prepare, times = 1 } = options;
  const said: [string, boolean][] = [
    ['--prepare', prepare !== undefined],
    ['--model', options.model !== undefined],
    ['--agent', options.agent !== undefined],
    ['--times', options.times !== undefined],
  ];
  const [useless] = message.length === 0 ? said.filter(([, isSaid]) => isSaid) : [];
  if (useless) throw new UsageError(`${useless[0]} is about messages: give at least one --message "<text>"`);
  const agents = agentsOf(options);
  const commands = prepare && { commands: prepare };
  const attempts: Attempt[] = [
    ...attempt.map((command) => ({ title: cutTo(visible(command), titleColumnsMax), commands: [command] })),
    ...message.flatMap((text) =>
      agents.flatMap(({ name, agent }) =>
        Array.from({ length: times }, (_, index) => ({
          title: titleOf(text, name, times > 1 ? `${index + 1}` : ''),
          ...commands,
          message: text,
          ...(agent && { agent }),
        })),
      ),
    ),
  ];
  if (attempts.length === 0) throw new UsageError('give at least one --attempt "<command>" or --message "<text>"');
  if (attempts.length > attemptsMax) throw new UsageError(`a trial has at most ${attemptsMax} attempts`);
  return attempts;
}

/** `name`: what tells it from the others; '' where there is one. */
function agentsOf(options: AttemptOptions): { name: string; agent: Attempt['agent'] }[] {
  const kinds = options.agent ?? [undefined];
  const models = options.model ?? [undefined];
  const isOne = kinds.length * models.length === 1;
  return kinds.flatMap((kind) =>
    models.map((model) => ({
      name: isOne ? '' : [kind, model].filter(Boolean).join(' '),
      agent: agentInput({ ...options, agent: kind, model }),
    })),
  );
}

function titleOf(message: string, agent: string, number: string): string {
  const about = [agent, number].filter(Boolean).join(' ');
  const text = visible(message.trim().split('\n')[0] ?? '') || 'message';
  return cutTo(about ? `${about}: ${text}` : text, titleColumnsMax);
}
