// What is asked of the history of all sessions.

import { type Command, Option } from 'commander';
import { query } from '../commands/query.ts';
import { reportUsage, usageGroups } from '../commands/report.ts';
import { moment } from '../option-values.ts';
import type { Action } from './action.ts';

export function addAnalytics(program: Command, action: Action): void {
  program
    .command('query <sql>')
    .description('one read-only SQL statement over events, commands, sessions, …')
    .action(action(query));
  const report = program.command('report').description('what the history of all sessions adds up to');
  addReport(report, 'usage')
    .description('tokens and cost of the calls of models')
    .addOption(new Option('--by <what>', 'a row for each').choices(usageGroups).default('model'))
    .addHelpText('after', '\nExample:\n  worktrail report usage --from 2026-11-01 --by project')
    .action(action(reportUsage));
}

/** What every report takes. */
function addReport(report: Command, name: string): Command {
  return report
    .command(name)
    .option('--from <time>', 'only what happened then or later: a day in UTC, or an ISO time', moment)
    .option('--to <time>', 'only what happened before', moment)
    .option('-p, --project <id or name>', 'of this project alone');
}
