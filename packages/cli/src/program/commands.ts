// Commands in sessions, and sessions' histories.

import type { Command } from 'commander';
import { logs } from '../commands/logs.ts';
import { run } from '../commands/run.ts';
import { exitCodeHelp } from '../exit-codes.ts';
import { commaSeparated, pair, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';

const weekSeconds = 7 * 24 * 3600;

export function addRun(program: Command, action: Action): void {
  program
    .command('run <session> <command...>')
    .usage('<session> [options] -- <command...>')
    .description('run a command in a session, live; exits as the command does')
    .option('--timeout <seconds>', 'ends it after so long', wholeNumber(1, weekSeconds))
    .option('--cwd <path>', 'relative to the work tree')
    .option('--env <NAME=value>', '(repeatable)', pair)
    .option('--background', 'do not wait; prints the command id')
    .option('-i, --interactive', 'pass the terminal on as input')
    .option('-n, --no-stdin', 'empty input, whatever stdin is')
    .addHelpText(
      'after',
      `
One word is a command line for the shell; several are quoted and joined.
What is piped in is the command's input. Ctrl-C sends INT, a second one cancels, a third one leaves
the command alone; so does TERM. After a lost connection output goes on where it was cut.

Examples:
  worktrail run $session -- npm test
  worktrail run $session --timeout 60 -- 'make -j2 && ./check'
  tar c src | worktrail run $session -- tar x
${exitCodeHelp}`,
    )
    .action(action(run));
  program
    .command('logs <session>')
    .description('the history of a session')
    .option('-f, --follow', 'go on as it happens')
    .option('--after <cursor>', 'only what follows this cursor')
    .option('--command <id>', "only this command's output: its stdout to stdout, its stderr to stderr")
    .option('--types <types>', 'only these event types, separated by commas', commaSeparated)
    .addHelpText('after', '\nExample:\n  worktrail logs $session -f --types command.queued,command.ended')
    .action(action(logs));
}
