// What is asked of the history of all sessions.

import { type Command, Option } from 'commander';
import { report } from '../commands/report.ts';
import { type ReportView, reportViews } from '../commands/report-views.ts';
import { sql, sqlFormats } from '../commands/sql.ts';
import { moment, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';

export function addAnalytics(program: Command, action: Action): void {
  program
    .command('sql <statement>')
    .alias('query')
    .description('one read-only SQL statement over events, commands, sessions, …')
    .addOption(new Option('--format <format>', 'how the rows are written').choices(sqlFormats).default('table'))
    .option('-o, --output <file>', 'where; default: here')
    .addHelpText(
      'after',
      "\nExample:\n  worktrail sql 'SELECT outcome, count() FROM commands GROUP BY outcome' --format csv",
    )
    .action(action(sql));
  const reports = program.command('report').description('what the history of all sessions adds up to');
  for (const view of reportViews) addReport(reports, view).action(action(report(view)));
}

const intervals = ['none', 'hour', 'day', 'week', 'month'];

function addReport(reports: Command, { name, description, groups, every }: ReportView): Command {
  const command = reports
    .command(name)
    .description(description)
    .option('--from <time>', 'only what happened then or later: a day in UTC, or an ISO time', moment)
    .option('--to <time>', 'only what happened before', moment)
    .option('-p, --project <id or name>', 'of this project alone')
    .option('--limit <n>', 'rows; default: all, at most 1000', wholeNumber(1, 1_000))
    .addHelpText('after', `\nExample:\n  worktrail report ${name} --from 2026-11-01`);
  if (groups.length > 1) {
    command.addOption(new Option('--by <what>', 'a row for each').choices([...groups]).default(groups[0]));
  }
  if (every !== undefined) {
    command.addOption(new Option('--every <interval>', 'and for each of these').choices(intervals).default(every));
  }
  return command;
}
