// Options that say which agent answers, what it may do, and how much.

import { agentKinds, toolKinds, turnLimitsMax } from '@worktrail/contract/agents';
import { type Command, Option } from 'commander';
import { amount, namesOf, wholeNumber } from '../option-values.ts';

export function agentOption(): Option {
  return new Option('--agent <kind>', 'who answers (default: built_in)').choices([...agentKinds]);
}

/** Which agent answers, what it may do, and how much. */
export function withAgentOptions(command: Command): Command {
  command.option('-m, --model <name>', "provider/model (default: the operator's)").addOption(agentOption());
  return withAgentLimits(command)
    .option('--ask <kinds>', `ask before tools of these kinds: ${toolKinds.join(', ')}`, namesOf(toolKinds))
    .option('--reasoning', 'show what the model thinks, not only that it does');
}

/** What an agent may do where nobody can be asked, and how much. */
export function withAgentLimits(command: Command): Command {
  return command
    .option('--agent-command <command>', 'how a custom agent is started')
    .option('--deny <kinds>', 'never allow tools of these kinds', namesOf(toolKinds))
    .option('--max-steps <n>', 'calls of the model', wholeNumber(1, turnLimitsMax.steps))
    .option('--max-tokens <n>', 'of all of them', wholeNumber(1, turnLimitsMax.tokens))
    .option('--max-cost <usd>', 'likewise', amount(turnLimitsMax.costUsd))
    .option('--max-seconds <n>', 'from its start', wholeNumber(1, turnLimitsMax.seconds));
}
