// A turn that is canceled, wherever it is: it ends within moments, nothing of it goes on, and the conversation can be continued.
//
// That it takes under 2 s is a promise about time, which a loaded machine may break for itself: what is held here is order and outcome, within
// `stoppedMsMax`, far from what a command's grace or a model that hangs would take.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PublicEvent, readHistory } from './api.ts';
import { call, type ScriptedAgent, startScriptedAgent, type TurnEvent } from './scripted-agent.ts';

const stoppedMsMax = 20_000;
/** Longer than any test: what is not stopped is seen. */
const hangingMs = 30_000;

let agent: ScriptedAgent;
beforeAll(async () => {
  agent = await startScriptedAgent('turn-cancel');
  agent.script('still there', [{ content: 'Yes.' }]);
});
afterAll(() => agent?.stop());

const turnEvents = async (sessionId: string, turnId: string) =>
  (await readHistory(agent.api, sessionId)).filter((event) => (event as TurnEvent).turnId === turnId);
const msBetween = (one: PublicEvent | Date, other: PublicEvent) =>
  Date.parse(other.time) - (one instanceof Date ? one.getTime() : Date.parse(one.time));

/** Cancels it; its end. */
async function cancel(sessionId: string, turnId: string): Promise<TurnEvent> {
  const at = new Date();
  await agent.api.make(`/v1/sessions/${sessionId}/turns/${turnId}/cancel`);
  const end = await agent.awaitEnd(sessionId, turnId);
  expect(end.data).toMatchObject({ outcome: 'canceled', reason: 'requested' });
  expect(msBetween(at, end)).toBeLessThan(stoppedMsMax);
  return end;
}

/** The next message is answered, and what the model is told is a whole conversation: each call of a tool has its result. */
async function expectGoesOn(sessionId: string): Promise<any[]> {
  const turnId = await agent.send(sessionId, 'are you still there?');
  expect((await agent.awaitEnd(sessionId, turnId)).data).toMatchObject({ outcome: 'completed' });
  const { messages } = agent.model.getRequests().at(-1)!.body as any;
  const roles = messages.map(({ role }: { role: string }) => role);
  const calls = messages.flatMap((message: any) => message.tool_calls ?? []).map(({ id }: any) => id);
  const results = messages.filter(({ role }: any) => role === 'tool').map((message: any) => message.tool_call_id);
  expect(results).toEqual(calls);
  expect(roles.at(-1)).toBe('user');
  return messages;
}

async function expectToolsEnded(sessionId: string, turnId: string): Promise<TurnEvent[]> {
  const events = await turnEvents(sessionId, turnId);
  const idsOf = (type: string) => events.filter((event) => event.type === type).map(({ data }) => data['toolCallId']);
  expect(idsOf('tool.ended')).toEqual(expect.arrayContaining(idsOf('tool.started')));
  expect(new Set(idsOf('tool.ended')).size).toBe(idsOf('tool.ended').length);
  return events;
}

test('while the model streams', async () => {
  const long = 'word '.repeat(2_000);
  agent.script('tell me a long story', [{ content: long }], { latency: 50, chunkSize: 5 });
  const sessionId = await agent.openSession('Streams');
  const turnId = await agent.send(sessionId, 'tell me a long story');
  await agent.awaitEvent(sessionId, turnId, ({ type }) => type === 'message.agent_delta');
  const end = await cancel(sessionId, turnId);
  await expectGoesOn(sessionId);
  const events = await turnEvents(sessionId, turnId);
  expect(events.some(({ type }) => type === 'message.agent')).toBe(false);
  const told = events.filter(({ type }) => type === 'message.agent_delta');
  expect(told.map(({ data }) => data['text']).join('').length).toBeLessThan(long.length);
  for (const one of told) expect(msBetween(end, one)).toBeLessThan(stoppedMsMax);
});

test('while the model does not answer', async () => {
  agent.script('hang', [{ content: 'late' }], { chaos: { latencyMs: hangingMs } });
  const sessionId = await agent.openSession('Hangs');
  const turnId = await agent.send(sessionId, 'hang, please');
  await agent.awaitEvent(sessionId, turnId, ({ type }) => type === 'turn.started');
  await cancel(sessionId, turnId);
  await expectGoesOn(sessionId);
  expect((await turnEvents(sessionId, turnId)).some(({ type }) => type.startsWith('message.agent'))).toBe(false);
});

test('while a command runs that ignores being asked to stop: it is killed after its grace, and the turn does not wait for that', async () => {
  const stubborn = `trap '' TERM INT; echo begun; while :; do sleep 0.2; date +%s%N > alive; done`;
  agent.script('be stubborn', [
    { toolCalls: [call('run_command', { command: stubborn }), call('write_file', { path: 'after', content: 'x' })] },
    { content: 'never said' },
  ]);
  const sessionId = await agent.openSession('Stubborn');
  const turnId = await agent.send(sessionId, 'be stubborn');
  const begun = await agent.awaitEvent(sessionId, turnId, ({ type }) => type === 'command.output');
  const end = await cancel(sessionId, turnId);
  const killed = await agent.awaitEvent(
    sessionId,
    turnId,
    ({ type, commandId }) => type === 'command.ended' && commandId === begun.commandId,
  );
  expect(killed.data).toMatchObject({ outcome: 'canceled' });
  expect(msBetween(end, killed)).toBeGreaterThan(0);
  await expectGoesOn(sessionId);
  const events = await expectToolsEnded(sessionId, turnId);
  expect(events.filter(({ type }) => type === 'tool.ended').map(({ data }) => data['failed'])).toEqual([true, true]);
  const look = { command: 'a=$(cat alive); sleep 1; [ "$a" = "$(cat alive)" ] && [ ! -e after ] && echo still' };
  const looked = await agent.api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, look);
  expect(looked).toMatchObject({ exitCode: 0 });
});

test('while a tool reads files', async () => {
  agent.script('search for ever', [
    { toolCalls: [call('search_text', { pattern: '^(aa+)\\1+$', path: 'slow', isRegex: true })] },
    { content: 'never said' },
  ]);
  const sessionId = await agent.openSession('Searches');
  // What the expression makes of it takes longer than a search may.
  const put = { command: "mkdir slow; for n in 1 2 3; do head -c 20011 /dev/zero | tr '\\0' a > slow/$n; done" };
  await agent.api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, put);
  const turnId = await agent.send(sessionId, 'search for ever');
  await agent.awaitEvent(sessionId, turnId, ({ type }) => type === 'tool.started');
  await cancel(sessionId, turnId);
  await expectGoesOn(sessionId);
  const events = await expectToolsEnded(sessionId, turnId);
  expect(events.filter(({ type }) => type === 'tool.ended')).toHaveLength(1);
});

test('a turn that has ended is canceled no more; one that is none of the session is not there', async () => {
  const sessionId = await agent.openSession('Over');
  const turnId = await agent.send(sessionId, 'are you still there?');
  await agent.awaitEnd(sessionId, turnId);
  const of = (one: string) => `/v1/sessions/${one}/turns/${turnId}/cancel`;
  expect(await agent.api.post(of(sessionId), {})).toMatchObject({ status: 202, body: { accepted: false } });
  const other = await agent.openSession('Other');
  expect(await agent.api.post(of(other), {})).toMatchObject({ status: 404, body: { code: 'not_found' } });
});
