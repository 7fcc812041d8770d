// What an agent asks a person for: it waits in the history, is answered by the API, and the model hears of it.

import { createClient, WorktrailApiError } from '@worktrail/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readHistory } from './api.ts';
import { call, type ScriptedAgent, startScriptedAgent, type TurnEvent } from './scripted-agent.ts';

let agent: ScriptedAgent;
beforeAll(async () => {
  agent = await startScriptedAgent('permissions');
});
afterAll(() => agent?.stop());

const asks = { permissions: { execute: 'ask', fetch: 'deny' } };

async function awaitQuestion(sessionId: string, turnId: string, number: number): Promise<string> {
  const id = `${turnId}-p${number}`;
  const isMeant = ({ type, data }: TurnEvent) => type === 'permission.requested' && data['permissionId'] === id;
  await agent.awaitEvent(sessionId, turnId, isMeant);
  return id;
}

const answer = (sessionId: string, permissionId: string, body: object) =>
  agent.api.post(`/v1/sessions/${sessionId}/permissions/${permissionId}`, body);
const turnEvents = async (sessionId: string, turnId: string) =>
  (await readHistory(agent.api, sessionId)).filter((event) => (event as TurnEvent).turnId === turnId);

test('a command that is asked for runs once it is allowed, and not when it is denied, of which the model hears', async () => {
  agent.script('first ask', [
    { toolCalls: [call('run_command', { command: 'printf "\\033[2Jmade" > by-agent\necho done' })] },
    { toolCalls: [call('run_command', { command: 'rm by-agent' }), call('read_file', { path: 'by-agent' })] },
    { content: 'It is left.' },
  ]);
  const sessionId = await agent.openSession('Asks');
  const turnId = await agent.send(sessionId, 'first ask', asks);
  const first = await awaitQuestion(sessionId, turnId, 1);
  const shown = (await agent.api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body;
  expect(shown.permissions).toEqual([
    {
      permissionId: first,
      toolCallId: `${turnId}-1-0`,
      toolKind: 'execute',
      detail: 'printf "\\033[2Jmade" > by-agent\\necho done',
    },
  ]);
  expect((await turnEvents(sessionId, turnId)).some(({ type }) => type.startsWith('command.'))).toBe(false);
  const client = createClient({ apiUrl: agent.cluster.apiUrl, apiKey: agent.cluster.apiKey });
  await client.turns.answerPermission(sessionId, first, { decision: 'allow' });
  const second = await awaitQuestion(sessionId, turnId, 2);
  expect((await answer(sessionId, second, { decision: 'deny' })).status).toBe(200);
  expect((await agent.awaitEnd(sessionId, turnId)).data).toMatchObject({ outcome: 'completed' });

  const events = await turnEvents(sessionId, turnId);
  const me = await client.principals.me();
  const answers = events.filter(({ type }) => type === 'permission.answered');
  expect(answers.map(({ data, ...rest }) => [data['decision'], (rest as any).actor])).toEqual([
    ['allow', { kind: 'user', id: me.principal.id }],
    ['deny', { kind: 'user', id: me.principal.id }],
  ]);
  const ends = events
    .filter(({ type }) => type === 'tool.ended')
    .map(({ data }) => [data['toolCallId'], data['failed']]);
  expect(ends).toEqual([
    [`${turnId}-1-0`, false],
    [`${turnId}-2-0`, true],
    [`${turnId}-2-1`, false],
  ]);
  const heard = JSON.stringify((agent.model.getRequests().at(-1)!.body as any).messages);
  expect(heard).toContain('the user has denied it');
  expect(heard).toContain('made');

  // The same answer again is the same; another, or one to what nobody asked, is not taken.
  expect(await answer(sessionId, first, { decision: 'allow' })).toMatchObject({
    status: 200,
    body: { permissionId: first, decision: 'allow', remember: false },
  });
  expect(await answer(sessionId, first, { decision: 'deny' })).toMatchObject({ status: 409 });
  expect(await answer(sessionId, `${turnId}-p9`, { decision: 'allow' })).toMatchObject({ status: 404 });
  expect(await answer(sessionId, 'p1', { decision: 'allow' })).toMatchObject({ status: 404 });
  expect(await answer(sessionId, first, { decision: 'perhaps' })).toMatchObject({ status: 422 });
  await expect(client.turns.answerPermission(sessionId, second, { decision: 'allow' })).rejects.toThrow(
    WorktrailApiError,
  );
});

test('an answer that is remembered is not asked for again in the session, and a policy that forbids is heard of at once', async () => {
  agent.script('remember it', [
    { toolCalls: [call('run_command', { command: 'echo one' }), call('run_command', { command: 'echo two' })] },
    { content: 'Twice.' },
  ]);
  agent.script('once more', [{ toolCalls: [call('run_command', { command: 'echo three' })] }, { content: 'Thrice.' }]);
  agent.script('not at all', [
    { toolCalls: [call('write_file', { path: 'x', content: 'y' }), call('run_command', { command: 'echo four' })] },
    { content: 'I may not.' },
  ]);
  const sessionId = await agent.openSession('Remembers');
  const first = await agent.send(sessionId, 'remember it', asks);
  await answer(sessionId, await awaitQuestion(sessionId, first, 1), { decision: 'allow', remember: true });
  await agent.awaitEnd(sessionId, first);
  const second = await agent.send(sessionId, 'once more', asks);
  await agent.awaitEnd(sessionId, second);
  const third = await agent.send(sessionId, 'not at all', { permissions: { edit: 'deny', execute: 'deny' } });
  await agent.awaitEnd(sessionId, third);
  const events = await readHistory(agent.api, sessionId);
  expect(events.filter(({ type }) => type === 'permission.requested')).toHaveLength(1);
  const ends = events.filter(({ type }) => type === 'tool.ended').map(({ data }) => data['failed']);
  expect(ends).toEqual([false, false, false, true, true]);
  const heard = JSON.stringify((agent.model.getRequests().at(-1)!.body as any).messages);
  expect(heard).toContain('denied for tools of kind');
});

test('a turn that waits for a person is canceled at once, and what it asked for is over', async () => {
  agent.script('wait for me', [{ toolCalls: [call('run_command', { command: 'echo never' })] }]);
  agent.script('go on', [{ content: 'Gladly.' }]);
  const sessionId = await agent.openSession('Waits');
  const turnId = await agent.send(sessionId, 'wait for me', asks);
  const asked = await awaitQuestion(sessionId, turnId, 1);
  await agent.api.make(`/v1/sessions/${sessionId}/turns/${turnId}/cancel`);
  expect((await agent.awaitEnd(sessionId, turnId)).data).toMatchObject({ outcome: 'canceled', reason: 'requested' });
  expect(await answer(sessionId, asked, { decision: 'allow' })).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('has ended') },
  });
  expect((await agent.api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body.permissions).toEqual([]);
  const next = await agent.send(sessionId, 'go on', asks);
  expect((await agent.awaitEnd(sessionId, next)).data).toMatchObject({ outcome: 'completed' });
  const types = (await turnEvents(sessionId, turnId)).map(({ type }) => type);
  expect(types).not.toContain('permission.answered');
  expect(types.some((type) => type.startsWith('command.'))).toBe(false);
});

test('the time of a turn goes on while it waits for a person', async () => {
  agent.script('take your time', [{ toolCalls: [call('run_command', { command: 'echo never' })] }]);
  const sessionId = await agent.openSession('Overdue');
  const turnId = await agent.send(sessionId, 'take your time', { ...asks, limits: { seconds: 15 } });
  const asked = await awaitQuestion(sessionId, turnId, 1);
  expect((await agent.awaitEnd(sessionId, turnId)).data).toMatchObject({ outcome: 'limit_reached', reason: 'time' });
  expect(await answer(sessionId, asked, { decision: 'allow' })).toMatchObject({ status: 409 });
  expect((await turnEvents(sessionId, turnId)).some(({ type }) => type.startsWith('command.'))).toBe(false);
});
