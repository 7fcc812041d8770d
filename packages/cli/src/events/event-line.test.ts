import type { WorktrailEvent } from '@worktrail/client';
import { expect, test } from 'vitest';
import { createStyle } from '../screen/style.ts';
import { eventLine } from './event-line.ts';

function line(type: string, data: Record<string, unknown>): string {
  const time = '2026-01-01T10:11:12.345Z';
  const actor = { kind: 'user' as const, id: 'prn_1' };
  const event = { cursor: 'c', id: 'evt_1', sessionId: 'ses_1', commandId: 'cmd_1', type, time, actor, data };
  return eventLine(event as WorktrailEvent, createStyle(false));
}

test.each([
  ['session.failed', { code: 'setup_failed', detail: 'npm ci exited 1' }, 'setup_failed: npm ci exited 1'],
  ['command.queued', { command: 'npm test', origin: 'user' }, '$ npm test  cmd_1'],
  ['command.queued', { command: 'npm ci', origin: 'setup' }, '$ npm ci  (setup)  cmd_1'],
  ['command.ended', { outcome: 'exited', exitCode: 0, signal: '' }, 'exited 0'],
  ['command.ended', { outcome: 'signaled', signal: 'SIGKILL', reason: 'x' }, 'signaled SIGKILL  (x)'],
  ['command.output', { stream: 'stdout', bytes: 'aGkK', text: 'hi\n' }, 'stdout 3 B  hi'],
  [
    'gap',
    { producer: 'cmd_1', fromPosition: 1, toPosition: 9, reason: 'host lost' },
    'bytes 1 to 9 of cmd_1 were not kept: host lost',
  ],
  [
    'gap',
    { producer: 'session', fromNumber: 3, toNumber: 4, reason: 'x' },
    'events 3 to 4 of session were not kept: x',
  ],
  ['gap', { producer: 'chk_1', fromNumber: 0, toNumber: 0, reason: 'x' }, 'chk_1 was not kept: x'],
  ['limit.reached', { limit: 'checkpoint', detail: 'no space' }, 'checkpoint: no space'],
  ['limit.reached', { limit: 'checkpoint', detail: '' }, 'checkpoint'],
  ['session.hibernating', { reason: 'idle' }, 'idle'],
  ['session.hibernated', { reason: 'idle', keptIn: 'archive' }, 'idle  kept in its archive'],
  ['session.resumed', { runnerId: 'run-1', restoredFrom: 'volume' }, 'from its volume  run-1'],
  [
    'session.restored',
    { checkpointId: 'chk_1', runnerId: 'run-1', notKept: ['ignored files', 'processes'] },
    'from chk_1  not kept: ignored files, processes  run-1',
  ],
  [
    'session.reverted',
    { checkpointId: 'chk_1', checkpointNumber: 1, newCheckpointId: 'chk_3', newCheckpointNumber: 3, exact: true },
    'to checkpoint 1, as checkpoint 3',
  ],
  ['session.restored', { checkpointId: '', runnerId: 'run-1', notKept: [] }, 'run-1'],
  [
    'checkpoint.created',
    { checkpointId: 'chk_1', number: 2, commit: '967bd8b8cdb4d5e6', tree: 'f', label: '', filesChanged: 2 },
    'checkpoint 2  967bd8b8cdb4  2 files',
  ],
  [
    'checkpoint.created',
    { number: 3, commit: 'ab', label: 'before', filesChanged: 1 },
    'checkpoint 3  ab  1 file  "before"',
  ],
  [
    'files.changed',
    {
      files: [
        { path: 'new.txt', oldPath: '', status: 'added', additions: 1, deletions: 0, binary: false },
        { path: 'a.ts', oldPath: '', status: 'modified', additions: 3, deletions: 2, binary: false },
        { path: 'to', oldPath: 'from', status: 'renamed', additions: 0, deletions: 0, binary: false },
        { path: 'x.png', oldPath: '', status: 'deleted', additions: 0, deletions: 0, binary: true },
        { path: 'ex.sh', oldPath: '', status: 'mode_changed', additions: 0, deletions: 0, binary: false },
      ],
      truncated: false,
    },
    'A new.txt +1  M a.ts +3 -2  R from -> to  D x.png binary  T ex.sh',
  ],
  [
    'session.branch_left',
    { expectedBranch: 'worktrail/a', actualRef: 'refs/heads/b' },
    'HEAD is on b, no longer on worktrail/a',
  ],
  [
    'session.branch_left',
    { expectedBranch: 'worktrail/a', actualRef: 'HEAD' },
    'HEAD is detached, no longer on worktrail/a',
  ],
  ['session.branch_left', { expectedBranch: 'a', actualRef: '' }, 'HEAD is nowhere, no longer on a'],
  ['session.archived', {}, ''],
  ['plan.updated', { items: [] }, '{"items":[]}'],
])('%s %j', (type, data, summary) => {
  expect(line(type, data)).toBe(`10:11:12.345  ${type}${summary && `  ${summary}`}`);
});

test('a command cannot move the cursor of who reads about it', () => {
  expect(line('command.queued', { command: 'echo \u001b[2J\u0007\nrm', origin: 'user' })).toContain('$ echo \ufffd rm');
});

test('of many changed files the first are shown, and that there are more', () => {
  const files = Array.from({ length: 7 }, (_, index) => ({ path: `f${index}`, status: 'added', additions: 1 }));
  expect(line('files.changed', { files, truncated: false })).toMatch(/A f4 \+1 {2}… 7 files$/);
  expect(line('files.changed', { files: files.slice(0, 1), truncated: true })).toMatch(/A f0 \+1 {2}…$/);
});

test('an event takes one line of bounded length', () => {
  expect(line('message.agent', { text: 'x'.repeat(5_000) }).length).toBeLessThan(260);
});
