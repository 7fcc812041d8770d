import type { WorktrailClient, WorktrailEvent } from '@worktrail/client';
import { expect, test } from 'vitest';
import { readPastTurns, readTurn } from './past-turns.ts';

let cursors = 0;
function event(turnId: string, type: string): WorktrailEvent {
  const actor = { kind: 'system' as const, id: 'x' };
  cursors += 1;
  return { cursor: `c${cursors}`, id: 'e', sessionId: 's', turnId, type, time: '', actor, data: {} } as WorktrailEvent;
}

function clientOf(events: readonly WorktrailEvent[]) {
  async function* all() {
    yield* events;
  }
  return { events: { all } } as unknown as Pick<WorktrailClient, 'events'>;
}

const begun = (turnId: string) => [event(turnId, 'message.user'), event(turnId, 'turn.started')];

test('what ends late of a canceled turn is with that turn, not with the one that goes on; of one that is not shown it is left out', async () => {
  const late = [event('t1', 'tool.ended'), event('t2', 'tool.ended')];
  const events = [
    ...[...begun('t1'), event('t1', 'turn.ended'), ...begun('t2'), event('t2', 'turn.ended')],
    ...[...begun('t3'), ...late, event('t3', 'message.agent')],
  ];
  const client = clientOf(events);
  const { turns, after } = await readPastTurns(client, 's', 1);
  const types = turns.map(({ turnId, isEnded, events: of }) => [turnId, isEnded, of.map(({ type }) => type)]);
  expect(types).toEqual([
    ['t2', true, ['message.user', 'turn.started', 'turn.ended', 'tool.ended']],
    ['t3', false, ['message.user', 'turn.started', 'message.agent']],
  ]);
  expect(after).toBe(events.at(-1)!.cursor);
  const one = await readTurn(client, 's', 't1');
  expect(one.map(({ type }) => type)).toEqual(['message.user', 'turn.started', 'turn.ended']);
});
