import type { WorktrailEvent } from '@worktrail/client';
import { expect, test } from 'vitest';
import { createStyle } from '../screen/style.ts';
import { eventLine } from './event-line.ts';

function line(type: string, data: Record<string, unknown>): string {
  const time = '2026-01-01T10:11:12.345Z';
  const actor = { kind: 'user' as const, id: 'prn_1' };
  const event = {
    cursor: 'c',
    id: 'evt_1',
    sessionId: 'ses_1',
    turnId: 'trn_1',
    commandId: 'cmd_1',
    type,
    time,
    actor,
    data,
  };
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
  ['egress.refused', { host: 'a.example', port: 443, reason: 'not_allowed', count: 1 }, 'a.example:443  not_allowed'],
  [
    'egress.refused',
    { host: 'a.example', port: 443, reason: 'not_allowed', count: 7 },
    'a.example:443  not_allowed  7 times',
  ],
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
  ['plan.updated', { items: [] }, ''],
  [
    'plan.updated',
    {
      items: [
        { text: 'look', state: 'done' },
        { text: 'mend', state: 'active' },
        { text: 'test', state: 'open' },
      ],
    },
    '● look  ◐ mend  ○ test',
  ],
  ['turn.started', { agent: 'custom/scripted' }, 'by custom/scripted  trn_1'],
  [
    'turn.ended',
    { outcome: 'limit_reached', reason: 'steps', usage: { steps: 1, inputTokens: 10, outputTokens: 2, costUsd: 0.5 } },
    'limit_reached  (steps)  1 step  12 tokens  $0.50',
  ],
  ['message.user', { messageId: 'trn_1', text: 'Why?' }, '> Why?  trn_1'],
  ['message.agent', { text: 'So.', finish: 'stop', toolCalls: [] }, 'So.'],
  [
    'message.agent',
    { text: 'I look.', finish: 'tool_calls', toolCalls: [{ tool: 'read_file' }, { tool: 'list_files' }] },
    'I look.  → read_file, list_files  tool_calls',
  ],
  ['message.summary', { throughMessageId: 'trn_0', text: 'We mended it.' }, 'up to trn_0  We mended it.'],
  ['reasoning', { text: 'First,\nI look.', attempt: 1 }, 'First, I look.'],
  [
    'tool.started',
    { tool: 'run_command', inputJson: '{"command":"ls"}', toolCallId: 't-1-0' },
    'run_command  $ ls  t-1-0',
  ],
  ['tool.ended', { failed: true, outputJson: '{"error":"no"}', toolCallId: 't-1-0' }, 'failed  {"error":"no"}  t-1-0'],
  ['permission.requested', { permissionId: 'p1', toolKind: 'execute', detail: 'npm test' }, 'execute  npm test  p1'],
  ['permission.answered', { permissionId: 'p1', decision: 'allow', remember: true }, 'allow  always  p1'],
  [
    'file.read',
    { path: 'a.ts', offset: 0, length: 2048, sha256: 'x', source: 'tool' },
    'a.ts  2.0 KiB from 0  by tool',
  ],
  [
    'context.referenced',
    {
      query: 'retry',
      references: [
        { path: 'a.ts', firstLine: 1, lastLine: 9 },
        { path: 'b.ts', firstLine: 0 },
      ],
    },
    '"retry"  a.ts:1-9  b.ts',
  ],
  ['usage', { model: 'custom/x', inputTokens: 7, outputTokens: 1, costUsd: 0.0123 }, 'custom/x  8 tokens  $0.0123'],
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
