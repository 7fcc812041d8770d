import { expect, test } from 'vitest';
import { typedColumns, typedColumnsOf } from './typed-columns.ts';

const none = typedColumnsOf('session.ready', { branch: 'worktrail/x' }, 0);

test('an event that tells nothing of the kind has every column, and no value in it', () => {
  expect(Object.keys(none)).toEqual(typedColumns);
  expect(Object.values(none).flat().filter(Boolean)).toEqual([]);
});

test('tokens and cost stand in the one event that is told of each call', () => {
  const usage = { model: 'a/b', inputTokens: 7, outputTokens: 3, cachedInputTokens: 2, costUsd: 0.5 };
  expect(typedColumnsOf('usage', usage, 0)).toEqual({
    ...none,
    model: 'a/b',
    input_tokens: 7,
    output_tokens: 3,
    cached_input_tokens: 2,
    cost_usd: 0.5,
  });
  expect(typedColumnsOf('message.agent', { text: 'Done.', usage }, 0)).toEqual({
    ...none,
    text: 'Done.',
    model: 'a/b',
  });
  expect(typedColumnsOf('turn.ended', { outcome: 'failed', usage }, 0)).toEqual({ ...none, outcome: 'failed' });
});

test.each([
  [{ startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.250Z' }, 1_250],
  [{ startedAt: '2026-01-01T00:00:01.000Z', endedAt: '2026-01-01T00:00:00.000Z' }, null],
  [{ endedAt: '2026-01-01T00:00:00.000Z' }, null],
])('a command took the time between its start and end, where both are known (%j)', (times, durationMs) => {
  const data = { outcome: 'exited', exitCode: 3, stdoutBytes: 10, stderrBytes: 5, ...times };
  const columns = { outcome: 'exited', exit_code: 3, duration_ms: durationMs, bytes: 15 };
  expect(typedColumnsOf('command.ended', data, 0)).toEqual({ ...none, ...columns });
});

test('lines are summed over the files that changed; one that changed alone is named', () => {
  const file = (path: string) => ({ path, status: 'modified', additions: 2, deletions: 1 });
  expect(typedColumnsOf('files.changed', { files: [file('a'), file('b')] }, 0)).toEqual({
    ...none,
    additions: 4,
    deletions: 2,
  });
  expect(typedColumnsOf('files.changed', { files: [file('a')] }, 0)).toMatchObject({
    path: 'a',
    file_status: 'modified',
  });
  expect(typedColumnsOf('files.changed', { files: [] }, 0)).toEqual(none);
});

test('each file of a change is told where a checkpoint tells all of them', () => {
  const files = [
    { path: 'a', status: 'added', additions: 2 },
    { path: 'b', status: 'deleted', deletions: 1 },
  ];
  expect(typedColumnsOf('files.changed', { source: 'checkpoint', files }, 0)).toEqual({
    ...{ ...none, additions: 2, deletions: 1, 'files.path': ['a', 'b'], 'files.status': ['added', 'deleted'] },
    ...{ 'files.additions': [2, 0], 'files.deletions': [0, 1] },
  });
  expect(typedColumnsOf('files.changed', { source: 'tool', files }, 0)).toEqual({
    ...none,
    additions: 2,
    deletions: 1,
  });
});

test.each([
  ['proposal.merged', { proposalId: 'x' }, { subject_id: 'x' }],
  ['permission.answered', { permissionId: 'x', toolCallId: 'y' }, { subject_id: 'x' }],
  ['tool.ended', { toolCallId: 'x' }, { subject_id: 'x', outcome: 'completed' }],
  ['session.resuming', { reason: 'x' }, { reason: 'x' }],
  ['trial.verdict', { verdict: 'passed', strategy: 'x' }, { outcome: 'passed', strategy: 'x' }],
] as const)('%s tells %j', (type, data, columns) => {
  expect(typedColumnsOf(type, data, 0)).toEqual({ ...none, ...columns });
});

test('what does not fit a column is bounded', () => {
  const columns = typedColumnsOf('usage', { model: 'm', inputTokens: 2 ** 64, outputTokens: -1, costUsd: Infinity }, 0);
  expect(columns).toMatchObject({ input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 0, cost_usd: 0 });
});
