import { create } from '@bufbuild/protobuf';
import type { RunAgentTurnInput } from '@worktrail/contract/sandbox-activities';
import { EventSchema } from '@worktrail/proto/event';
import type { EventPayloadInit } from '@worktrail/runtime/event-producer';
import type { TraceClient } from '@worktrail/runtime/trace-client';
import { expect, test } from 'vitest';
import { readEarlierTurns, withEarlierTurns } from './earlier-turns.ts';

type Told = readonly [turnId: string, payload: EventPayloadInit];

const asked = (turnId: string, text: string): Told => [turnId, { case: 'messageUser', value: { text } }];
const started = (turnId: string): Told => [turnId, { case: 'turnStarted', value: {} }];
const said = (turnId: string, text: string): Told => [turnId, { case: 'messageAgent', value: { text } }];

/** What an agent is told with the message of turn "now", after this history. */
async function toldWith(history: readonly Told[], knownTurnId: string | null = null): Promise<string> {
  const events = history.map(([turnId, payload]) => ({ event: create(EventSchema, { turnId, payload }) }));
  const listEvents = async () => ({ events, complete: true });
  const trace = { listEvents } as unknown as Pick<TraceClient, 'listEvents'>;
  const input = { turnId: 'now', inherited: [] } as unknown as RunAgentTurnInput;
  const before = await readEarlierTurns(trace, input, new AbortController().signal);
  return withEarlierTurns('And now?', before, knownTurnId);
}

test('what was said before is told in its order, of turns that have begun, and not this message again', async () => {
  const history = [asked('1', 'one?'), started('1'), asked('2', 'queued and canceled'), asked('3', 'three?')];
  const rest = [said('1', 'One.'), said('1', ''), started('3'), said('3', 'Three.'), asked('now', 'And now?')];
  const told = await toldWith([...history, ...rest, started('now')]);
  expect(told).toBe(
    'This was said in this session before:\n\nUser: one?\n\nAgent: One.\n\nUser: three?\n\nAgent: Three.\n\n' +
      'Now the user says:\n\nAnd now?',
  );
});

test('only what came after the turn that it knows of', async () => {
  const history = [asked('1', 'one?'), started('1'), said('1', 'One.'), asked('2', 'two?'), started('2')];
  expect(await toldWith(history, '1')).toContain('before:\n\nUser: two?\n\nNow');
  expect(await toldWith(history.slice(0, 3), '1')).toBe('And now?');
  expect(await toldWith([])).toBe('And now?');
});

test('of much the newest, and of a long turn its newest answers', async () => {
  const answers = Array.from({ length: 60 }, (_, index) => said('1', `${index} ${'x'.repeat(2_000)}`));
  const told = await toldWith([asked('1', 'one?'), started('1'), ...answers, said('1', `last ${'y'.repeat(1e6)}`)]);
  expect(told).toContain('Agent: 59 xx');
  expect(told).toContain('Agent: last yy');
  expect(told).not.toContain('one?');
  expect(told.length).toBeLessThan(50 * 1024);
});
