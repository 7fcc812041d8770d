// Which task and trial each session is for: a bounded memory over what its session.created told.
//
// That event is the first of its session, so it was stored before or is in the batch. Both ids never change, so nothing that is remembered
// is ever wrong, whatever became of the batch.

import type { ClickHouseReader } from '../clickhouse/store.ts';
import type { ParsedEvent } from './parse-event.ts';
import { sessionKey } from './event-keys.ts';
import { quoteString } from '../clickhouse/sql-text.ts';

const lookupSessionsMax = 500;

/** '' where it is for none. */
export interface SessionTask {
  task_id: string;
  trial_id: string;
}

export interface SessionTasks {
  /** Of the sessions of these events, by session key. */
  load(events: readonly ParsedEvent[]): Promise<ReadonlyMap<string, SessionTask>>;
}

export const noTask: SessionTask = { task_id: '', trial_id: '' };

/** `sessionsMax`: remembered ones; those that were used last stay. */
export function createSessionTasks(clickhouse: Pick<ClickHouseReader, 'rows'>, sessionsMax = 20_000): SessionTasks {
  const remembered = new Map<string, SessionTask>();

  return {
    load: async (events) => {
      const tasks = new Map<string, SessionTask>();
      const unknown = new Map<string, ParsedEvent>();
      for (const parsed of events) {
        const session = parsed.sessionKey;
        const known = toldBy(parsed) ?? remembered.get(session);
        if (known) tasks.set(session, known);
        else unknown.set(session, parsed);
      }
      const missing = [...unknown].flatMap(([session, parsed]) => (tasks.has(session) ? [] : [parsed]));
      for (let start = 0; start < missing.length; start += lookupSessionsMax) {
        const found = await lookUp(clickhouse, missing.slice(start, start + lookupSessionsMax));
        for (const [session, task] of found) tasks.set(session, task);
      }
      for (const [session, task] of tasks) {
        // Taken out and put back: the map's order is that of use.
        remembered.delete(session);
        remembered.set(session, task);
      }
      for (const session of remembered.keys()) {
        if (remembered.size <= sessionsMax) break;
        remembered.delete(session);
      }
      return tasks;
    },
  };
}

function toldBy({ payload }: ParsedEvent): SessionTask | undefined {
  if (payload.case !== 'sessionCreated') return undefined;
  return { task_id: payload.value.taskId, trial_id: payload.value.trialId };
}

/** One that has no session.created yet is not in the answer: it is looked for again. */
async function lookUp(
  clickhouse: Pick<ClickHouseReader, 'rows'>,
  events: readonly ParsedEvent[],
): Promise<Map<string, SessionTask>> {
  const organizations = new Set(events.map(({ event }) => quoteString(event.organizationId)));
  const sessions = events.map(({ event }) => quoteString(event.sessionId));
  const rows = await clickhouse.rows<{ o: string; s: string; task: string; trial: string }>(`
    SELECT organization_id AS o, session_id AS s, max(task_id) AS task, max(trial_id) AS trial FROM sessions_v1
    WHERE organization_id IN (${[...organizations].join(',')}) AND session_id IN (${sessions.join(',')})
    GROUP BY o, s HAVING max(created_at) IS NOT NULL`);
  return new Map(
    rows.map(({ o, s, task, trial }) => [
      sessionKey({ organizationId: o, sessionId: s }),
      { task_id: task, trial_id: trial },
    ]),
  );
}
