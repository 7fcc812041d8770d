// The cluster, and what is asked of it directly.

import type { Command } from 'commander';
import { backup, restore } from '../commands/backup.ts';
import { config } from '../commands/config.ts';
import { context } from '../commands/context.ts';
import { doctor } from '../commands/doctor.ts';
import { limits } from '../commands/limits.ts';
import { retention } from '../commands/retention.ts';
import { runnerDrain, runnerList } from '../commands/runner.ts';
import { status } from '../commands/status.ts';
import { commaSeparated, orForever, wholeNumber } from '../option-values.ts';
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
    .command('backup <file>')
    .description('save the state of the running cluster of this machine into a file')
    .option(
      '--without-key',
      "leave out the key that opens stored secrets: keep the state directory's secrets/secrets-key elsewhere",
    )
    .addHelpText('after', backupHelp)
    .action(action(backup));
  program
    .command('restore <file>')
    .description('make a state directory (--state) of a backup, and read it back')
    .option('--key-file <file>', 'the key of a backup that was made without it')
    .addHelpText('after', restoreHelp)
    .action(action(restore));
  const days = orForever(wholeNumber(1, 36_500));
  program
    .command('retention')
    .description('how long the history is kept, what went last; with an option it is changed')
    .option('--events <days>', 'the history of an archived session after its last event, or "for-ever"', days)
    .option('--output <days>', 'the output of a command that has ended, or "for-ever": as long as its events', days)
    .option('--audit <days>', 'who changed what, or "for-ever"', days)
    .addHelpText('after', '\nWhat is older goes within an hour, for good.')
    .action(action(retention));
  program
    .command('limits')
    .description('the quotas of the organization, and how much of them is used')
    .option('-p, --project <id or name>', 'of this project alone, beside those of the organization')
    .action(action(limits));
  program.command('config').description('the effective configuration, without secrets').action(action(config));
}

const backupHelp = `
The cluster goes on; for the moment in which Temporal and NATS are saved, at most 15 s, nothing is answered. Commands in sandboxes do not notice.

In it: the history, workflows, configuration, checkpoints and archives, and everything in secrets/: the API key, the operator's token, and
the key that opens stored secrets (of projects, credentials, webhooks). So the file is as secret as the state directory; it has mode 0600.
Not in it: volumes of sessions (a session is restored from its archive or last checkpoint) and a worktrail.yaml outside of the state directory.`;

const restoreHelp = `
The directory must be empty or not exist. It is another cluster, started by: npm start -- --state DIR. Stop the one that was saved first, or it
and this one do the same work: deliver to the same webhooks, push to the same remotes.`;
