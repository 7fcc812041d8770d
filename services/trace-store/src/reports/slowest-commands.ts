// The commands that took longest, each with its text.

import { sql } from '../clickhouse/sql-text.ts';
import { eventsOf } from './events-of.ts';
import type { Report } from './report.ts';

const textCharactersMax = 400;

export const slowestCommands: Report = {
  groups: ['command'],
  isList: true,
  statement: (question, rowsMax) => {
    const slowest = sql`SELECT project_id, session_id, command_id, time, duration_ms, outcome, exit_code FROM events_v1
      WHERE ${eventsOf(question, 'command.ended')} AND duration_ms IS NOT NULL ORDER BY duration_ms DESC, command_id LIMIT ${rowsMax}`;
    return sql`WITH slowest AS (${slowest})
      SELECT slowest.command_id AS key, project_id AS projectId, slowest.session_id AS sessionId, time AS endedAt, duration_ms / 1000 AS durationSeconds,
        outcome, exit_code AS exitCode, texts.text AS command
      FROM slowest LEFT JOIN (
        SELECT session_id, command_id, substringUTF8(ifNull(max(command), ''), 1, ${textCharactersMax}) AS text FROM commands_v1
        WHERE organization_id = ${question.organizationId} AND (session_id, command_id) IN (SELECT session_id, command_id FROM slowest)
        GROUP BY session_id, command_id
      ) AS texts ON texts.session_id = slowest.session_id AND texts.command_id = slowest.command_id
      ORDER BY duration_ms DESC, key`;
  },
};
