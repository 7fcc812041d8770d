// Sessions over time: how many were created, had something to do, fell asleep, went on, ended.

import { sql } from '../clickhouse/sql-text.ts';
import { commonKeys, counted } from './counted.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const { session: _, ...keys } = commonKeys;

export const sessions: Report = {
  groups: Object.keys(keys),
  statement: (question, rowsMax) =>
    counted(question, rowsMax, {
      keys,
      columns: sql`countIf(type = 'session.created') AS created,
        uniqExactIf(session_id, type IN ('session.created', 'turn.started', 'command.started')) AS active,
        countIf(type = 'session.hibernated') AS hibernated, countIf(type = 'session.resumed') AS resumed,
        countIf(type = 'session.archived') AS archived, countIf(type = 'session.failed') AS failed`,
      from: sql`events_v1 WHERE ${eventsOf(
        question,
        ...([
          'session.created',
          'session.hibernated',
          'session.resumed',
          'session.archived',
          'session.failed',
          'turn.started',
          'command.started',
        ] as const),
      )}`,
      order: sql`created DESC, active DESC`,
    }),
};
