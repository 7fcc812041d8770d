// The cluster, and what is asked of it directly.

import type { Command } from 'commander';
import { config } from '../commands/config.ts';
import { context } from '../commands/context.ts';
import { doctor } from '../commands/doctor.ts';
import { limits } from '../commands/limits.ts';
import { runnerDrain, runnerList } from '../commands/runner.ts';
import { status } from '../commands/status.ts';
import { commaSeparated, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';

export function addOperation(program: Command, action: Action): void {
  program
    .command('context <project> <query...>')
    .description("search symbols, text and files of a project's repository")
    .option('--ref <ref>', 'branch, tag or commit (default: the newest default branch)')
    .option('--kind <kinds>', 'symbol, text, file; several with commas (default: all)', commaSeparated)
    .option('--path <pattern>', 'only below a directory, or what matches *, ** and ?')
    .option('--language <name>', 'only of this language: typescript, python, …')
    .option('--session <session>', 'work in this session: what is shown stands in its history')
    .option('-n, --limit <n>', 'so many hits', wholeNumber(1, 100), 20)
    .option('-s, --snippets', 'with the lines of each hit')
    .addHelpText('after', "\nExample:\n  worktrail context my-project 'retry with back-off' --path 'src/**/*.ts' -s")
    .action(action(context));
  program
    .command('status')
    .description('every part with its state, addresses and disk use; exits 5 when it is not ready')
    .action(action(status));
  const runner = program.command('runner').description('the hosts that sessions are placed on');
  runner.command('list').description('the runners that are alive').action(action(runnerList));
  runner
    .command('drain <runner>')
    .description('let a runner take no session any more, and hibernate its own as they become idle')
    .option('--undo', 'let it take sessions again')
    .action(action(runnerDrain));
  program
    .command('doctor')
    .description('what has no counterpart: containers, volumes, files, sessions; exits 1 when there is something')
    .option('--fix', 'remove what is past its grace')
    .addHelpText(
      'after',
      '\nWithout --fix nothing is removed. Exits 0 when nothing is found, or left, and every part has answered.',
    )
    .action(action(doctor));
  program
    .command('limits')
    .description('the quotas of the organization, and how much of them is used')
    .option('-p, --project <id or name>', 'of this project alone, beside those of the organization')
    .action(action(limits));
  program.command('config').description('the effective configuration, without secrets').action(action(config));
}
