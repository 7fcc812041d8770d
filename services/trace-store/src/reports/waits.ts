// How long something was waited for that began in the time asked about, and has come: a session to be ready, a turn or command to begin, a
// permission to be answered, a proposal to be approved or rejected.

import type { EventType } from '@worktrail/contract/event-types';
import { sqlList, type Sql, sql } from '../clickhouse/sql-text.ts';
import { counted } from './counted.ts';
import { durations } from './durations.ts';
import { eventsSince } from './events-of.ts';
import type { Report } from './report.ts';

interface Wait {
  from: EventType;
  until: EventType[];
  /** The id of what was waited for. */
  thing: Sql;
}

const waitsFor: Readonly<Record<string, Wait>> = {
  session: { from: 'session.created', until: ['session.ready'], thing: sql`session_id` },
  turn: { from: 'message.user', until: ['turn.started'], thing: sql`turn_id` },
  command: { from: 'command.queued', until: ['command.started'], thing: sql`command_id` },
  permission: { from: 'permission.requested', until: ['permission.answered'], thing: sql`subject_id` },
  approval: {
    from: 'proposal.opened',
    until: ['proposal.approved', 'proposal.rejected'],
    thing: sql`subject_id`,
  },
};

const each = Object.entries(waitsFor);
const isBeginning = sql`type IN (${sqlList(each.map(([, { from }]) => from))})`;
const isOf = ({ from, until }: Wait) => sql`type IN (${sqlList([from, ...until])})`;
const cases = (of: (name: string, wait: Wait) => Sql) =>
  each.map(([name, wait]) => sql`${isOf(wait)}, ${of(name, wait)}`).reduce((some, one) => sql`${some}, ${one}`);
const kind = sql`toLowCardinality(multiIf(${cases((name) => sql`${name}`)}, ''))`;
const thing = sql`multiIf(${cases((_, wait) => wait.thing)}, '')`;

export const waits: Report = {
  groups: ['kind'],
  statement: (question, rowsMax) => {
    const until = question.to ? sql` AND begun < ${question.to}` : sql``;
    return counted(question, rowsMax, {
      keys: { kind: sql`kind` },
      columns: sql`count() AS waits, ${durations}`,
      // By a hash of its id: hundreds of thousands of ids need not be kept. The time of what is not there is 0.
      from: sql`(
        SELECT any(${kind}) AS kind, minIf(time, ${isBeginning}) AS begun, minIf(time, NOT ${isBeginning}) AS ended
        FROM events_v1 WHERE ${eventsSince(question, ...each.flatMap(([, wait]) => [wait.from, ...wait.until]))}
        GROUP BY cityHash64(${thing}) HAVING begun > 0 AND ended > 0${until}
      )`,
      time: sql`begun`,
      order: sql`waits DESC`,
    });
  },
};
