// Checkpoints over the public API. The session's workflow is scripted; the test plays the events that it would publish.

import { Kvm } from '@nats-io/kv';
import type { SessionDocument } from '@worktrail/contract/documents';
import { createCheckpoint } from '@worktrail/contract/session-messages';
import { buckets, sessionKey } from '@worktrail/contract/subjects';
import { readDocument } from '@worktrail/runtime/buckets';
import type { Producer } from '@worktrail/runtime/event-producer';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openProducers } from '../events/feed-fixture.ts';
import { type Answer, type Fixture, openFixture } from '../gateway-fixture.ts';
import { type ScriptedSessions, startScriptedSessions } from '../scripted-sessions.ts';

let fixture: Fixture;
let sessions: ScriptedSessions;
let projectId: string;
let sessionId: string;
let producer: Producer;

beforeAll(async () => {
  fixture = await openFixture('checkpoints');
  sessions = await startScriptedSessions(fixture.temporal.address);
  await fixture.answerHealth('orchestrator');
  await fixture.announceRunner();
  const repository = { url: 'https://example.org/repository.git' };
  projectId = (await fixture.call('POST', '/v1/projects', { name: 'one', repository })).body.id;
});

afterAll(async () => {
  await sessions?.close();
  await fixture?.close();
});

beforeEach(async () => {
  sessionId = (await fixture.call('POST', `/v1/projects/${projectId}/sessions`, {})).body.id;
  const bucket = await new Kvm(fixture.connection).open(buckets.sessions);
  const stored = await readDocument<SessionDocument>(bucket, sessionKey(fixture.organizationId, sessionId));
  producer = (await openProducers(fixture, stored!.value))('session');
});

const path = () => `/v1/sessions/${sessionId}/checkpoints`;
const make = (body: object, key: string) => fixture.call('POST', path(), body, { 'idempotency-key': key });

function publish(checkpointId: string, number: number, label = '') {
  const value = { checkpointId, number, commit: `c${number}`, tree: `t${number}`, label, filesChanged: number };
  const actor = { kind: 'system' as const, id: 'test' };
  return producer.append({ time: new Date(), actor, payload: { case: 'checkpointCreated', value } });
}

/** The id that the workflow was asked to make a checkpoint by, once it was; the event is then published as it would. */
async function playCheckpoint(number: number, label: string, countBefore = 0): Promise<void> {
  let id: string | undefined;
  await expect
    .poll(async () => {
      const asked = await sessions.checkpoints(sessionId);
      id = asked.at(-1);
      return asked.length;
    })
    .toBeGreaterThan(countBefore);
  await publish(id!, number, label);
}

async function pagesOf(limit: number): Promise<any[]> {
  const items: any[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Answer = await fixture.call('GET', `${path()}?limit=${limit}&cursor=${cursor}`);
    expect(page.status).toBe(200);
    items.push(...page.body.items);
    cursor = page.body.nextCursor;
  }
  return items;
}

test('a checkpoint is answered once its event is in the history, with the cursor of that event', async () => {
  const [made] = await Promise.all([
    make({ label: 'before the change' }, 'one'),
    playCheckpoint(1, 'before the change'),
  ]);
  expect(made).toMatchObject({
    status: 201,
    body: { number: 1, commit: 'c1', tree: 't1', label: 'before the change', filesChanged: 1 },
  });
  const history = (await fixture.call('GET', `/v1/sessions/${sessionId}/events?types=checkpoint.created`)).body.items;
  expect(history).toMatchObject([{ cursor: made.body.cursor, data: { checkpointId: made.body.id } }]);
  expect(await pagesOf(10)).toEqual([made.body]);
});

test('a request sent again with its key makes no second checkpoint, also when the answer to the first was lost', async () => {
  const lost = new AbortController();
  const first = fetch(`${fixture.url}${path()}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${fixture.key}`, 'idempotency-key': 'lost' },
    body: '{}',
    signal: lost.signal,
  }).catch(() => undefined);
  await expect.poll(async () => (await sessions.checkpoints(sessionId)).length).toBe(1);
  lost.abort();
  await first;
  await publish((await sessions.checkpoints(sessionId))[0]!, 1);
  const again = await Promise.all(Array.from({ length: 3 }, () => make({}, 'lost')));
  expect(again.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(new Set(again.map(({ body }) => body.id)).size).toBe(1);
  expect(again[0]!.body).not.toHaveProperty('label');
  expect((await sessions.asked(sessionId))[createCheckpoint]).toBe(1);
  expect(await pagesOf(10)).toHaveLength(1);
});

test('what could not be stored can be asked for again under the same key', async () => {
  await sessions.tell(sessionId, { refusal: { code: 'checkpoint_failed', detail: 'the store is full' } });
  for (let time = 0; time < 2; time++) {
    expect(await make({}, 'again')).toMatchObject({ status: 503, body: { code: 'checkpoint_failed' } });
  }
  const { length } = await sessions.checkpoints(sessionId);
  await sessions.tell(sessionId, { refusal: null });
  const [made] = await Promise.all([make({}, 'again'), playCheckpoint(1, '', length)]);
  expect(made.status).toBe(201);
  expect(new Set(await sessions.checkpoints(sessionId))).toEqual(new Set([made.body.id]));
});

test('checkpoints are listed oldest first, page by page, whatever happened between them', async () => {
  const actor = { kind: 'system' as const, id: 'test' };
  for (let number = 1; number <= 5; number++) {
    await publish(`chk_${number}`, number);
    await producer.append({ time: new Date(), actor, payload: { case: 'sessionBusy', value: { commandId: '' } } });
  }
  for (const limit of [1, 2, 5, 200]) {
    expect((await pagesOf(limit)).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  }
  expect(await fixture.call('GET', `${path()}?cursor=chk_1`)).toMatchObject({
    status: 400,
    body: { code: 'cursor_invalid' },
  });
  expect((await fixture.call('POST', path(), { label: 'two\nlines' })).body.errors[0].path).toBe('label');
});
