// Sessions, their forks and checkpoints.

import type { Command } from 'commander';
import { checkpoint, checkpointList } from '../commands/checkpoint.ts';
import { fork } from '../commands/fork.ts';
import { open } from '../commands/open.ts';
import { revert } from '../commands/revert.ts';
import { sessionArchive, sessionCreate, sessionList, sessionShow } from '../commands/session.ts';
import { sessionHibernate, sessionResume } from '../commands/sleep.ts';
import { sessionUpdate } from '../commands/update.ts';
import { pair, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';
import { projectOption } from './project-option.ts';

export function addSessions(program: Command, action: Action): void {
  const session = program.command('session').description('workspaces on a branch of their own');
  session
    .command('create')
    .description('make a session and wait until it is ready; prints its id')
    .addOption(projectOption())
    .option('-t, --title <text>')
    .option('--task <id>', 'the task it belongs to')
    .option('--base-ref <ref>', 'branch, tag or commit to begin at (default: the newest default branch)')
    .option('--env <NAME=value>', 'in every command (repeatable)', pair)
    .option('--label <name=value>', '(repeatable)', pair)
    .option('--wait <seconds>', 'how long to wait; 0: not at all', wholeNumber(0, 290), 120)
    .action(action(sessionCreate));
  session
    .command('list')
    .description('sessions, newest first')
    .option('-p, --project <id or name>', 'of this project')
    .option('--task <id>', 'of this task')
    .option('--trial <id>', 'of this trial')
    .option('--state <state>', 'in this state')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 10_000), 50)
    .action(action(sessionList));
  session.command('show <session>').description('one session').action(action(sessionShow));
  session
    .command('archive <session...>')
    .description('end sessions for good; their history stays')
    .action(action(sessionArchive));
  session
    .command('update <session>')
    .description('bring the newest default branch in; exits 1 with the paths when there are conflicts')
    .option('--rebase', "rebase the session's commits onto it instead of merging it")
    .addHelpText('after', '\nExample:\n  worktrail session update $session || worktrail run $session -- git status')
    .action(action(sessionUpdate));

  program.command('open <session>').description("how to fetch a session's branch with plain git").action(action(open));
  addSleep(session, action);
  program
    .command('fork <session>')
    .description('make sessions with the files and history of this one; prints their ids')
    .option('--checkpoint <checkpoint>', 'as at this one: its id, number or label (default: the newest)')
    .option('-n, --count <n>', 'how many', wholeNumber(1, 16), 1)
    .addHelpText(
      'after',
      `
They are hibernated until their first command.

Examples:
  worktrail fork $session --count 3
  worktrail fork $session --checkpoint "before the rewrite"`,
    )
    .action(action(fork));
}

function addSleep(session: Command, action: Action): void {
  session
    .command('hibernate <session...>')
    .description('store the files of idle sessions and free their places; the next command resumes them')
    .action(action(sessionHibernate));
  session
    .command('resume <session...>')
    .description('open hibernated sessions again, as their next command would')
    .option('--wait <seconds>', 'how long to wait until one is ready; 0: not at all', wholeNumber(0, 290), 120)
    .action(action(sessionResume));
}

export function addCheckpoints(program: Command, action: Action): void {
  const command = program
    .command('checkpoint')
    .argument('<session>')
    .description("keep a session's files as they are now; prints the id of the checkpoint")
    .option('-l, --label <text>', 'what it is called')
    .addHelpText(
      'after',
      `
Examples:
  worktrail checkpoint $session --label "before the rewrite"
  worktrail checkpoint list $session`,
    )
    .action(action(checkpoint));
  command
    .command('list <session>')
    .description('the checkpoints of a session, oldest first')
    .action(action(checkpointList));
  program
    .command('revert <session> <checkpoint>')
    .description('make files, branches and index as they were at a checkpoint; itself one, so it can be reverted too')
    .option('-f, --force', 'cancel what runs first')
    .addHelpText(
      'after',
      `
A checkpoint is named by its id, number or label: worktrail checkpoint list $session

Examples:
  worktrail revert $session 3
  worktrail revert $session "before the rewrite" --force`,
    )
    .action(action(revert));
}
