// The views on a real ClickHouse: each column is of the type that is told of it, and says what was published.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import { EventSchema } from '@worktrail/proto/event';
import { eventStream, eventSubject } from '@worktrail/contract/subjects';
import { newId } from '@worktrail/contract/ids';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ended,
  eventBytes,
  type Fixture,
  newSession,
  openFixture,
  output,
  publisher,
  queued,
} from '../trace-store-fixture.ts';
import { views } from './views.ts';

let fixture: Fixture;
const session = newSession();
const [command, turn, call, proposal] = [newId('command'), newId('turn'), 'call_1', newId('proposal')];

/** Of a turn: the fixture's own events are of none. */
async function publishInTurn(producer: string, number: number, payload: EventPayloadInit): Promise<void> {
  const event = fromBinary(EventSchema, eventBytes(session, producer, number, payload));
  await fixture.js.publish(eventSubject(session, producer), toBinary(EventSchema, { ...event, turnId: turn }), {
    expect: { streamName: eventStream(session.partition) },
    timeout: 120_000,
  });
}

beforeAll(async () => {
  fixture = await openFixture('views');
  await fixture.start();
  const publish = publisher(fixture.js, session);
  await publish('session', 1, {
    case: 'sessionCreated',
    value: { title: 'of views', taskId: 'tsk_1', trialId: 'tri_1', branch: 'b', baseRef: 'main' },
  });
  await publish(command, 1, queued('true'));
  await publish(command, 2, output('stderr', 0, 0, Buffer.from('oh')));
  await publish(command, 3, ended(1, 0, 2));
  await publishInTurn(turn, 1, { case: 'messageUser', value: { messageId: turn, text: 'do it' } });
  await publishInTurn(turn, 2, { case: 'turnStarted', value: { agent: 'worktrail' } });
  await publishInTurn(call, 1, {
    case: 'toolStarted',
    value: { toolCallId: call, tool: 'edit', inputJson: '{"a":1}' },
  });
  await publishInTurn(call, 2, { case: 'toolEnded', value: { toolCallId: call, failed: true, outputJson: '"no"' } });
  const value = { outcome: 'failed', reason: 'x', usage: { steps: 2, inputTokens: 5, outputTokens: 3, costUsd: 0.5 } };
  await publishInTurn(turn, 3, { case: 'turnEnded', value });
  await publish('session', 2, {
    case: 'filesChanged',
    value: {
      source: 'tool',
      toolCallId: call,
      files: [
        { path: 'a', status: 'added', additions: 2n },
        { path: 'c', oldPath: 'b', status: 'renamed', additions: 1n, deletions: 3n },
      ],
    },
  });
  const proposalId = proposal;
  await publish(proposal, 1, { case: 'proposalOpened', value: { proposalId, title: 'first', headCommit: 'h1' } });
  await publish(proposal, 2, { case: 'proposalOpened', value: { proposalId, title: 'second', headCommit: 'h2' } });
  const check = { proposalId, command: 'test', outcome: 'exited', commandId: command };
  await publish(proposal, 3, { case: 'proposalChecked', value: { ...check, exitCode: 0 } });
  await publish(proposal, 4, { case: 'proposalChecked', value: { ...check, exitCode: 2 } });
  await publish(proposal, 5, { case: 'proposalApproved', value: { proposalId, by: 'prn_1', headCommit: 'h2' } });
  await publish(proposal, 6, { case: 'proposalMerged', value: { proposalId, mergeCommit: 'm' } });
});

afterAll(() => fixture.close());

const expected: Record<string, Record<string, unknown>[]> = {
  sessions: [{ title: 'of views', task_id: 'tsk_1', trial_id: 'tri_1', state: 'creating', base_ref: 'main' }],
  commands: [{ command_id: command, command: 'true', state: 'ended', exit_code: 1, stderr_bytes: 2, background: 0 }],
  command_output: [{ command_id: command, stream: 'stderr', offset: 0, size: 2, body: 'oh', task_id: 'tsk_1' }],
  turns: [
    {
      turn_id: turn,
      text: 'do it',
      agent: 'worktrail',
      state: 'ended',
      outcome: 'failed',
      steps: 2,
      cost_usd: 0.5,
      duration_ms: 1,
    },
  ],
  tool_calls: [
    {
      tool_call_id: call,
      turn_id: turn,
      task_id: 'tsk_1',
      tool: 'edit',
      input: '{"a":1}',
      output: '"no"',
      outcome: 'failed',
      duration_ms: 1,
    },
  ],
  file_changes: [
    { path: 'a', status: 'added', additions: 2, deletions: 0, source: 'tool', tool_call_id: call, binary: false },
    { path: 'c', old_path: 'b', status: 'renamed', additions: 1, deletions: 3, task_id: 'tsk_1' },
  ],
  proposals: [
    {
      ...{ proposal_id: proposal, title: 'second', state: 'merged', head_commit: 'h2', merge_commit: 'm' },
      ...{ checks: 2, checks_failed: 1, approvals: 1, task_id: 'tsk_1' },
    },
  ],
};

test.each(Object.entries(expected))('%s says what was published', async (view, rows) => {
  const sql = `SELECT * FROM ${view} ORDER BY ${view === 'file_changes' ? 'path' : 'session_id'}`;
  const answer = await fixture.trace.query({ organizationId: session.organizationId, sql });
  expect(JSON.parse(answer.rowsJson)).toMatchObject(rows);
  expect(answer.columns).toEqual(views.find(({ name }) => name === view)!.columns.map(({ name }) => name));
  const stranger = { organizationId: newId('organization'), sql };
  expect((await fixture.trace.query(stranger)).rowsJson).toBe('[]');
});

test('what is not yet known is NULL, not 1970', async () => {
  const open = newSession(session.organizationId);
  await publisher(fixture.js, open)(proposal, 1, { case: 'proposalOpened', value: { proposalId: proposal } });
  const sql = `SELECT state, ended_at, approved_at, opened_at IS NULL AS never FROM proposals WHERE session_id = '${open.sessionId}'`;
  const answer = await fixture.trace.query({ organizationId: session.organizationId, sql });
  expect(JSON.parse(answer.rowsJson)).toEqual([{ state: 'open', ended_at: null, approved_at: null, never: 0 }]);
});

test.each(views)('each column of $name is of the type that is told of it', async ({ name, columns }) => {
  const types = columns.map((column) => `toTypeName(\`${column.name}\`)`).join(', ');
  const sql = `SELECT [${types}] AS types FROM ${name} LIMIT 1`;
  const rows = async () =>
    JSON.parse((await fixture.trace.query({ organizationId: session.organizationId, sql })).rowsJson);
  // Totals are counted a while after.
  await expect.poll(rows).toEqual([{ types: columns.map(({ type }) => type) }]);
});
