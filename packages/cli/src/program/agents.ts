// Messages to a session's agent.

import { Argument, type Command } from 'commander';
import { ask } from '../commands/ask.ts';
import { chat } from '../commands/chat.ts';
import { permission } from '../commands/permission.ts';
import { turnShow, turns } from '../commands/turns.ts';
import { turnExitCodeHelp } from '../exit-codes.ts';
import { wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';
import { withAgentOptions } from './agent-options.ts';

export function addAgent(program: Command, action: Action): void {
  withAgentOptions(program.command('ask <session|project> <text...>'))
    .description("send one message to a session's agent, show its answer live; a project gets a new session")
    .option('--jsonl', 'the events of the turn, one a line')
    .addHelpText(
      'after',
      `
The answer goes to stdout, what is done for it to stderr. "-" for the text: what stands on stdin.
Ctrl-C cancels the turn, a second one leaves it alone.

Examples:
  worktrail ask $session "Why does npm test fail? Mend it."
  git diff | worktrail ask $session - --max-steps 20
  answer=$(worktrail ask my-project "What is this repository about?")
${turnExitCodeHelp}`,
    )
    .action(action(ask));
  withAgentOptions(program.command('chat <session|project>'))
    .description("talk with a session's agent; a project gets a new session")
    .addHelpText(
      'after',
      `
Ctrl-C cancels the turn, a second one leaves it alone; Ctrl-D leaves. Where the agent has to ask (--ask): a allows, A always,
d denies. Without a terminal each line of stdin is a message.

Example:
  worktrail chat my-project --ask execute`,
    )
    .action(action(chat));
  const list = program
    .command('turns')
    .argument('<session>')
    .description('the messages of a session, and how the agent has answered each')
    .option('--limit <n>', 'the newest so many', wholeNumber(1, 10_000), 50)
    .action(action(turns));
  list
    .command('show <session> <turn>')
    .description('what was said and done in one of them')
    .option('--reasoning', 'with all that the model thought')
    .action(action(turnShow));
  program
    .command('permission')
    .description('answer what an agent asks for')
    .argument('<session>')
    .argument('<permission>')
    .addArgument(new Argument('<decision>').choices(['allow', 'deny']))
    .option('--always', 'for all of its kind in this session')
    .action(action(permission));
}
