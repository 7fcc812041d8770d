// What is asked of the history of all sessions.

import { type Command, Option } from 'commander';
import { exportHistory } from '../commands/export.ts';
import { importHistory } from '../commands/import.ts';
import { query } from '../commands/query.ts';
import { reportUsage, usageGroups } from '../commands/report.ts';
import { moment } from '../option-values.ts';
import type { Action } from './action.ts';
import { projectOption } from './project-option.ts';

export function addAnalytics(program: Command, action: Action): void {
  program
    .command('query <sql>')
    .description('one read-only SQL statement over events, commands, sessions, …')
    .action(action(query));
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
