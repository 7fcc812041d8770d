// Changes side by side, and their way to the project's branch.

import type { Command } from 'commander';
import { compare } from '../commands/compare.ts';
import { promote, proposalDecide, proposalList, proposalMerge, proposalShow } from '../commands/proposal.ts';
import { listed, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';

export function addProposals(program: Command, action: Action): void {
  program
    .command('compare <task> [session...]')
    .description('every session of the trials of a task, or these; with --diff what each has changed, side by side')
    .option('-d, --diff', "the changes of the newest trial's sessions, or of those named, beside each other")
    .option('--path <glob>', 'only of files whose path matches (repeatable)', listed)
    .option('--width <columns>', 'default: of the terminal; otherwise 80 a session', wholeNumber(20, 1_000))
    .addHelpText('after', "\nExample:\n  worktrail compare $task --diff --path 'src/**'")
    .action(action(compare));
  program
    .command('promote <session>')
    .description("put a session's change up for approval; prints the id of the proposal")
    .option('-t, --title <text>', "default: the session's title")
    .option('-d, --description <text>')
    .addHelpText(
      'after',
      `
A session has one open proposal: promoted again, its files as they are now become the head of that one.

Example:
  worktrail promote $session --title "Count lines" --description "wc -l, and a test"`,
    )
    .action(action(promote));
  const proposal = program
    .command('proposal')
    .description('changes of sessions, put up for approval')
    .addHelpText(
      'after',
      `
Examples:
  proposal=$(worktrail promote $session --title "Count lines")
  worktrail proposal show $proposal
  worktrail proposal approve $proposal --comment "well done"
  worktrail proposal merge $proposal`,
    );
  proposal.command('list <session>').description('the proposals of a session').action(action(proposalList));
  proposal.command('show <proposal>').description('one proposal').action(action(proposalShow));
  for (const [decision, does] of [
    ['approve', 'approve its head'],
    ['reject', 'reject it, for good'],
    ['close', 'close it without a merge'],
  ] as const) {
    proposal
      .command(`${decision} <proposal>`)
      .description(does)
      .option('-c, --comment <text>')
      .option('--head <commit>', 'only if this is its head')
      .action(action((cli, id: string, options: object) => proposalDecide(cli, decision, id, options)));
  }
  proposal
    .command('merge <proposal>')
    .description('merge it, and wait until that is done; exits 1 when it was not merged')
    .option('--head <commit>', 'only if this is its head')
    .option('--detach', 'do not wait')
    .addHelpText('after', '\nThe request stands until the proposal is over, or has a new head, also after Ctrl-C.')
    .action(action(proposalMerge));
}
