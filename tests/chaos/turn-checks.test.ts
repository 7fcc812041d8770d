import type { WorktrailEvent } from '@worktrail/client';
import { expect, test } from 'vitest';
import type { Asked } from '@worktrail/testing/scripted-model';
import { checkTurn, type SeenTurn } from './turn-checks.ts';
import { answerOf, scriptOf, turnScript } from './turn-workload.ts';

const turnId = 'turn_1';
const script = turnScript('one');

/** A turn as it has to be; each step's answer is stored a second after it was asked for. */
function sound(): SeenTurn & { events: WorktrailEvent[]; asked: Asked[] } {
  const events: WorktrailEvent[] = [];
  const asked: Asked[] = [];
  let atMs = 0;
  const add = (type: string, data: object = {}) =>
    void events.push({ type, time: new Date((atMs += 1_000)).toISOString(), turnId, data } as WorktrailEvent);
  add('message.user');
  add('turn.started');
  let results = 0;
  for (const [index, { text, calls }] of script.answers.entries()) {
    asked.push({ text: script.text, step: index + 1, results: Array(results).fill('{}'), messages: 1, atMs });
    const messageId = `${turnId}-${index + 1}`;
    add('message.agent_delta', { messageId, attempt: 1, text: text.slice(0, 5) });
    add('message.agent_delta', { messageId, attempt: 1, text: text.slice(5) });
    add('message.agent', { messageId, attempt: 1, text });
    add('usage');
    for (const [at, { tool }] of calls.entries()) {
      add('tool.started', { toolCallId: `${messageId}-${at}` });
      if (tool === 'run_command') add('command.ended');
      add('tool.ended', { toolCallId: `${messageId}-${at}`, failed: false });
    }
    results += calls.length;
  }
  add('turn.ended', { outcome: 'completed' });
  return { turnId, script, events, asked, mayFail: false };
}

const kinds = (turn: SeenTurn) => [...new Set(checkTurn(turn).map(({ kind }) => kind))];
const at = (turn: SeenTurn, type: string) => turn.events.findIndex((event) => event.type === type);

test('a turn as it has to be is nothing to tell of', () => {
  expect(checkTurn(sound())).toEqual([]);
  const turn = sound();
  const first = at(turn, 'message.agent_delta');
  const cutOff = { ...turn.events[first]! };
  for (const event of turn.events.filter(({ data }) => data['messageId'] === `${turnId}-1`)) event.data['attempt'] = 2;
  turn.events.splice(first, 0, { ...cutOff, data: { ...cutOff.data, attempt: 1 } });
  expect(checkTurn(turn)).toEqual([]);
});

test.each([
  'message.user',
  'turn.started',
  'turn.ended',
  'message.agent',
  'usage',
  'tool.started',
  'tool.ended',
  'command.ended',
])('a %s that is there twice, or not at all, is found', (type) => {
  const twice = sound();
  twice.events.splice(at(twice, type), 0, twice.events[at(twice, type)]!);
  expect(kinds(twice)).toContain('duplicate');
  const gone = sound();
  gone.events.splice(at(gone, type), 1);
  expect(kinds(gone)).toContain('lost');
});

test('a step that the model is asked for again after its answer is stored is found, one before is not', () => {
  const turn = sound();
  const [first] = turn.asked;
  turn.asked.push({ ...first! });
  expect(checkTurn(turn)).toEqual([]);
  turn.asked.push({ ...first!, atMs: first!.atMs + 60_000 });
  expect(kinds(turn)).toEqual(['duplicate']);
});

test('a step of which something is told before the tools of the one before have ended is found', () => {
  const turn = sound();
  const of = (id: string) => turn.events.findIndex(({ data }) => data['messageId'] === id || data['toolCallId'] === id);
  const [delta] = turn.events.splice(of(`${turnId}-2`), 1);
  turn.events.splice(of(`${turnId}-1-0`) + 1, 0, delta!);
  expect(kinds(turn)).toContain('differs');
});

test('deltas that are another text, a tool that failed and results that are not told are found', () => {
  const other = sound();
  other.events[at(other, 'message.agent_delta')]!.data['text'] = 'Nonsense';
  expect(kinds(other)).toEqual(['differs']);
  const failed = sound();
  failed.events[at(failed, 'tool.ended')]!.data['failed'] = true;
  expect(kinds(failed)).toEqual(['outcome']);
  expect(checkTurn({ ...failed, mayFail: true })).toEqual([]);
  const forgotten = sound();
  forgotten.asked.at(-1)!.results.pop();
  expect(kinds(forgotten)).toEqual(['lost']);
});

test('the script follows from the message', () => {
  expect(scriptOf(turnScript('two', { gate: 'go' }).text)).toEqual(turnScript('two', { gate: 'go' }));
  expect(answerOf({ text: script.text, step: 99 }).calls).toEqual([]);
});
