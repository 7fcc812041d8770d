// What is asked of the history of all sessions.

import { type Command, Option } from 'commander';
import { searchedTypes, searchHitsDefault, searchHitsMax } from '@worktrail/contract/search';
import { exportHistory } from '../commands/export.ts';
import { importHistory } from '../commands/import.ts';
import { report } from '../commands/report.ts';
import { type ReportView, reportViews } from '../commands/report-views.ts';
import { search } from '../commands/search.ts';
import { sql, sqlFormats } from '../commands/sql.ts';
import { moment, namesOf, wholeNumber } from '../option-values.ts';
import type { Action } from './action.ts';
import { projectOption } from './project-option.ts';

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
  program
    .command('export [session]')
    .description('the history of a session as a file, or with --project those of all its sessions in a directory')
    .addOption(new Option('--format <format>').choices(['jsonl', 'markdown', 'atif']).default('jsonl'))
    .option(
      '-o, --output <path>',
      'of a session a file, there only once it is whole and checked (default: to stdout); of a project a directory',
    )
    .option('--resume', 'go on with what broke off')
    .option('-p, --project <id or name>', 'a file in jsonl for each of its sessions, and a manifest')
    .option('--from <time>', 'of a project: sessions made then or later: a day in UTC, or an ISO time', moment)
    .option('--to <time>', 'sessions made before', moment)
    .addHelpText('after', '\nExample:\n  worktrail export $session --format markdown -o transcript.md')
    .action(action(exportHistory));
  program
    .command('import <file...>')
    .description('histories that were exported in jsonl, into an organization without sessions of its own')
    .addOption(projectOption())
    .addHelpText(
      'after',
      '\nThe sessions are archived ones. What broke off is run again: what is there stays as it is.',
    )
    .action(action(importHistory));
  program
    .command('search <words...>')
    .description('what was said, run and printed in all sessions: words, "phrases" and beginnings*')
    .option('-p, --project <id or name>', 'of this project alone')
    .option('--session <session>', 'of this session alone')
    .option('--task <task>', 'of this task alone')
    .option(
      '--types <types>',
      `${searchedTypes.join(', ')}; several with commas (default: all)`,
      namesOf(searchedTypes),
    )
    .option('--from <time>', 'only what happened then or later: a day in UTC, or an ISO time', moment)
    .option('--to <time>', 'only what happened before', moment)
    .option('-n, --limit <n>', 'so many hits', wholeNumber(1, searchHitsMax), searchHitsDefault)
    .option('--cursor <cursor>', 'go on where a page said that there is more')
    .addHelpText('after', `\nExample:\n  worktrail search '"connection refused"' 'ECONN*' --types command.output`)
    .action(action(search));
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
    .option('--label <name[=value]>', 'of sessions that were made with this label')
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
