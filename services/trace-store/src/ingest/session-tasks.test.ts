import { newId } from '@worktrail/contract/ids';
import { eventSubject } from '@worktrail/contract/subjects';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { expect, test } from 'vitest';
import { parseEvent } from './parse-event.ts';
import { sessionKey } from './event-keys.ts';
import { createSessionTasks } from './session-tasks.ts';
import { eventBytes, newSession, type TestSession } from '../trace-store-fixture.ts';

const busy = { case: 'sessionBusy', value: {} } as const;
const created = (taskId: string) => ({ case: 'sessionCreated', value: { taskId, trialId: 'trl_1' } }) as const;

function event(session: TestSession, payload: EventPayloadInit) {
  const data = eventBytes(session, 'session', 1, payload);
  return parseEvent({ subject: eventSubject(session, 'session'), sequence: 1, data });
}

/** What is stored, and the look-ups. */
function stored(tasks: readonly (readonly [TestSession, string])[]) {
  const asked: string[] = [];
  const rows = async (statement: string) => {
    asked.push(statement);
    const known = tasks.filter(([{ sessionId }]) => statement.includes(sessionId));
    return known.map(([{ organizationId, sessionId }, task]) => ({
      ...{ o: organizationId, s: sessionId, task, trial: '' },
    })) as never[];
  };
  return { rows, asked };
}

test('what a session is for is told by its first event, or looked up once', async () => {
  const [fresh, old, unknown] = [newSession(), newSession(), newSession()];
  const { rows, asked } = stored([[old, 'tsk_2']]);
  const tasks = createSessionTasks({ rows });
  const batch = [event(fresh, created('tsk_1')), event(fresh, busy), event(old, busy), event(old, busy)];
  expect([...(await tasks.load([...batch, event(unknown, busy)]))]).toEqual([
    [sessionKey(fresh), { task_id: 'tsk_1', trial_id: 'trl_1' }],
    [sessionKey(old), { task_id: 'tsk_2', trial_id: '' }],
  ]);
  expect(asked).toHaveLength(1);
  expect(asked[0]).not.toContain(fresh.sessionId);
  await tasks.load(batch);
  expect(asked).toHaveLength(1);
  expect((await tasks.load([event(unknown, busy), event(unknown, created('tsk_3'))])).get(sessionKey(unknown))).toEqual(
    {
      ...{ task_id: 'tsk_3', trial_id: 'trl_1' },
    },
  );
  expect(asked).toHaveLength(1);
});

test('only so many are remembered, those that were used last', async () => {
  const sessions = Array.from({ length: 3 }, () => newSession());
  const { rows, asked } = stored(sessions.map((session) => [session, newId('task')]));
  const tasks = createSessionTasks({ rows }, 2);
  for (const session of sessions) await tasks.load([event(session, busy)]);
  await tasks.load([event(sessions[2]!, busy)]);
  await tasks.load([event(sessions[1]!, busy)]);
  expect(asked).toHaveLength(3);
  await tasks.load([event(sessions[0]!, busy)]);
  expect(asked).toHaveLength(4);
});
