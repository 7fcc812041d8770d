// What is asked of the history of all sessions.

import type { Command } from 'commander';
import { query } from '../commands/query.ts';
import type { Action } from './action.ts';

export function addAnalytics(program: Command, action: Action): void {
  program
    .command('query <sql>')
    .description('one read-only SQL statement over events, commands, sessions, …')
    .action(action(query));
}
