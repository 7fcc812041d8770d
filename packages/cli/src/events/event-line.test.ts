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
  ['session.archived', {}, ''],
  ['plan.updated', { items: [] }, '{"items":[]}'],
])('%s %j', (type, data, summary) => {
  expect(line(type, data)).toBe(`10:11:12.345  ${type}${summary && `  ${summary}`}`);
});

test('a command cannot move the cursor of who reads about it', () => {
  expect(line('command.queued', { command: 'echo \u001b[2J\u0007\nrm', origin: 'user' })).toContain('$ echo \ufffd rm');
});

test('an event takes one line of bounded length', () => {
  expect(line('message.agent', { text: 'x'.repeat(5_000) }).length).toBeLessThan(260);
});
