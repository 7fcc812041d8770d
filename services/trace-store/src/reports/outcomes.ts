// How turns and commands have ended.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

/** Of a command that has ended. */
export const succeeded = sql`(outcome = 'exited' AND ifNull(exit_code, 0) = 0)`;

const turns = sql`type = 'turn.ended' AND outcome`;
const commands = sql`type = 'command.ended' AND`;

export const outcomes: Report = {
  groups: Object.keys(commonKeys),
  statement: (question, rowsMax) =>
    counted(question, rowsMax, {
      keys: commonKeys,
      columns: sql`countIf(${turns} = 'completed') AS turnsCompleted, countIf(${turns} = 'limit_reached') AS turnsLimited,
        countIf(${turns} = 'canceled') AS turnsCanceled, countIf(${turns} = 'failed') AS turnsFailed,
        countIf(${commands} ${succeeded}) AS commandsSucceeded, countIf(${commands} outcome = 'canceled') AS commandsCanceled,
        countIf(${commands} outcome != 'canceled' AND NOT ${succeeded}) AS commandsFailed`,
      from: sql`events_v1 WHERE ${eventsOf(question, 'turn.ended', 'command.ended')}`,
      order: sql`count() DESC`,
    }),
};
