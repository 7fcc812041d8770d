// What is the same for all events of a producer, by the subject it publishes to: a bounded memory, and nothing in it ever changes.

import type { ClickHouseReader } from '../clickhouse/store.ts';
import { quoteString } from '../clickhouse/sql-text.ts';
import { producerKey, sessionKey } from './event-keys.ts';
import { UnstorableMessage } from './stream-message.ts';

/** '' where it is for none. */
export interface SessionTask {
  task_id: string;
  trial_id: string;
}

export const noTask: SessionTask = { task_id: '', trial_id: '' };

export interface SourceSession {
  key: string;
  organizationId: string;
  sessionId: string;
  /** Once its session.created was seen: the first of its events, so it was stored before or is in the batch. */
  task: SessionTask | undefined;
}

export interface Source {
  key: string;
  session: SourceSession;
  producer: string;
  /** Made when it is first needed (output-row.ts). */
  texts: SourceTexts | undefined;
}

/** What its rows begin with. */
export interface SourceTexts {
  projectId: string;
  task: SessionTask;
  /** Encoded. */
  ofEvent: Uint8Array;
  ofOutput: Uint8Array;
}

export interface Sources {
  /** @throws UnstorableMessage where it is not the subject of an event. */
  of(subject: string): Source;
}

const token = /^[A-Za-z0-9_-]{1,128}$/;

/** `sourcesMax`: beyond it all are forgotten. */
export function createSources(sourcesMax = 50_000): Sources {
  const sources = new Map<string, Source>();
  const sessions = new Map<string, SourceSession>();

  return {
    of: (subject) => {
      const known = sources.get(subject);
      if (known) return known;
      if (sources.size >= sourcesMax) {
        sources.clear();
        sessions.clear();
      }
      const source = sourceOf(subject);
      const session = sessions.get(source.session.key);
      if (session) source.session = session;
      else sessions.set(source.session.key, source.session);
      sources.set(subject, source);
      return source;
    },
  };
}

/** @throws UnstorableMessage where it is not the subject of an event. */
export function sourceOf(subject: string): Source {
  const [, , , organizationId, sessionId, producer, ...rest] = subject.split('.');
  if (!organizationId || !sessionId || !producer || rest.length > 0) {
    throw new UnstorableMessage(`the subject ${subject} is not one of an event`);
  }
  for (const [name, value] of Object.entries({ organization: organizationId, session: sessionId, producer })) {
    if (!token.test(value)) throw new UnstorableMessage(`the ${name} in the subject is malformed`);
  }
  const session = { key: sessionKey({ organizationId, sessionId }), organizationId, sessionId, task: undefined };
  return { key: producerKey({ organizationId, sessionId, producer }), session, producer, texts: undefined };
}

const lookupSessionsMax = 500;

/** Tells those that are stored their tasks; one that has no session.created yet is to be asked for again. */
export async function lookUpTasks(
  clickhouse: Pick<ClickHouseReader, 'rows'>,
  sessions: readonly SourceSession[],
): Promise<void> {
  for (let start = 0; start < sessions.length; start += lookupSessionsMax) {
    const some = sessions.slice(start, start + lookupSessionsMax);
    const organizations = new Set(some.map(({ organizationId }) => quoteString(organizationId)));
    const rows = await clickhouse.rows<{ o: string; s: string; task: string; trial: string }>(`
      SELECT organization_id AS o, session_id AS s, max(task_id) AS task, max(trial_id) AS trial FROM sessions_v1
      WHERE organization_id IN (${[...organizations].join(',')})
        AND session_id IN (${some.map(({ sessionId }) => quoteString(sessionId)).join(',')})
      GROUP BY o, s HAVING max(created_at) IS NOT NULL`);
    const tasks = new Map(
      rows.map(({ o, s, task, trial }) => [
        sessionKey({ organizationId: o, sessionId: s }),
        { task_id: task, trial_id: trial },
      ]),
    );
    for (const session of some) session.task ??= tasks.get(session.key);
  }
}
