import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import { expect, test } from 'vitest';
import { createFilter, followTurn } from './follow-turn.ts';

function event(type: string, more: Partial<WorktrailEvent> = {}): WorktrailEvent {
  const actor = { kind: 'system' as const, id: 'x' };
  const base = { cursor: 'c', id: 'e', sessionId: 'ses_1', turnId: 'trn_1', time: '2026-01-01T00:00:00.000Z', actor };
  return { ...base, type, data: {}, ...more } as WorktrailEvent;
}
const permission = (type: string, permissionId: string) => event(type, { data: { permissionId } });
const { turnId: _, ...ofNoTurn } = event('x');

function clientOf(events: AsyncIterable<WorktrailEvent> | Iterable<WorktrailEvent>): Pick<WorktrailClient, 'events'> {
  async function* follow() {
    yield* events;
  }
  return { events: { follow } } as unknown as Pick<WorktrailClient, 'events'>;
}

const turn = { sessionId: 'ses_1', turnId: 'trn_1', after: undefined };
const never = new AbortController().signal;

test('a turn is followed to its end, with what the agent said last and how long it took', async () => {
  const shown: string[] = [];
  const events = [
    event('turn.started'),
    event('message.agent', { data: { text: 'I look.' } }),
    event('message.agent', { turnId: 'trn_0', data: { text: 'Of another.' } }),
    event('message.agent', { data: { text: '' } }),
    event('turn.ended', { time: '2026-01-01T00:00:02.000Z' }),
    event('message.agent', { data: { text: 'Too late.' } }),
  ];
  const deps = { client: clientOf(events), show: async ({ type }: WorktrailEvent) => void shown.push(type) };
  const end = await followTurn({ ...deps, askPermission: async () => undefined }, turn, never);
  expect([end.text, end.elapsedMs]).toEqual(['I look.', 2_000]);
  expect(shown).toEqual(['turn.started', 'message.agent', 'message.agent', 'turn.ended']);
});

test('what a canceled turn before it ends late is not shown with it, and keeps nobody waiting', async () => {
  const shown: string[] = [];
  const before = { turnId: 'trn_0' };
  const events = [
    event('tool.ended', { ...before, data: { failed: true, outputJson: '{"error":"late"}' } }),
    event('turn.started'),
    event('command.ended', { ...before, commandId: 'cmd_0', data: { outcome: 'canceled' } }),
    event('tool.ended', { ...before, data: { failed: true, outputJson: '{"error":"late"}' } }),
    event('turn.ended', { data: { outcome: 'completed' } }),
  ];
  const deps = { client: clientOf(events), show: async ({ type }: WorktrailEvent) => void shown.push(type) };
  await followTurn({ ...deps, askPermission: async () => undefined }, turn, never);
  expect(shown).toEqual(['turn.started', 'turn.ended']);
});

test('what concerns the whole session is shown with any turn; what belongs to others is not', () => {
  const of = createFilter('trn_1');
  expect(of({ ...ofNoTurn, type: 'session.failed' })).toBe(true);
  expect(of({ ...ofNoTurn, type: 'command.output', commandId: 'cmd_9' })).toBe(false);
  expect(of(event('limit.reached', { turnId: 'trn_0' }))).toBe(false);
  expect(of(event('command.output', { commandId: 'cmd_1' }))).toBe(true);
  const gap = (producer: string) => of({ ...ofNoTurn, type: 'gap', data: { producer } });
  expect([gap('cmd_1'), gap('trn_1-2'), gap('cmd_9'), gap('session')]).toEqual([true, true, false, false]);
});

test('a permission is asked for once, one after the other, and not when it is answered or the turn over', async () => {
  const asked: string[] = [];
  const aborted: string[] = [];
  let second!: () => void;
  const secondAsked = new Promise<void>((resolve) => (second = resolve));
  const askPermission = ({ data }: WorktrailEvent, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const id = String(data['permissionId']);
      if (asked.push(id) === 2) second();
      signal.addEventListener('abort', () => resolve(void aborted.push(id)), { once: true });
    });
  async function* events() {
    yield permission('permission.requested', 'p3');
    yield permission('permission.requested', 'p4');
    yield permission('permission.answered', 'p2');
    await secondAsked;
    yield permission('permission.answered', 'p4');
    yield event('turn.ended');
  }
  const seen = ['p1', 'p2'].map((id) => permission('permission.requested', id));
  seen.push(permission('permission.answered', 'p1'));
  const show = async () => undefined;
  await followTurn({ client: clientOf(events()), show, askPermission }, { ...turn, seen }, never);
  expect(asked).toEqual(['p2', 'p3']);
  await Promise.resolve();
  expect(aborted).toEqual(['p2', 'p3']);
});

test('a stream that ends before the turn is said to', async () => {
  const deps = { client: clientOf([]), show: async () => undefined, askPermission: async () => undefined };
  await expect(followTurn(deps, turn, never)).rejects.toThrow('before the turn');
});
