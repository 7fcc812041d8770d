// A message to an agent that runs in the sandbox and speaks the Agent Client Protocol. The agent is scripted (scripted-agent.py).

import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents, hibernate, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

let model: LLMock;
let cluster: RunningTestCluster;
let api: Api;
let projectId: string;

const agent = { kind: 'custom', command: 'exec python3 agent.py' };

beforeAll(async () => {
  model = new LLMock({ port: 0 });
  const usage = { prompt_tokens: 400, completion_tokens: 100, total_tokens: 500 };
  model.on({ userMessage: 'from the sandbox' }, { content: 'Yes.', usage });
  await model.start();
  cluster = await startTestCluster('agents', { ...process.env, WORKTRAIL_MODEL_URL: `${model.url}/v1` });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'agents'), 3);
  await copyFile(fileURLToPath(new URL('scripted-agent.py', import.meta.url)), join(repository.path, 'agent.py'));
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-C', repository.path, '-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args]);
  await git('add', '.');
  await git('commit', '-qm', 'An agent');
  const environment = { network: { mode: 'restricted' } };
  projectId = (await api.make('/v1/projects', { name: 'agents', repository: { url: repository.path }, environment }))
    .id;
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

const newSession = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Agents' });

async function say(sessionId: string, text: string, as: object = agent): Promise<string> {
  return (await api.make(`/v1/sessions/${sessionId}/messages`, { text, agent: as })).turnId;
}

/** The turn, once it has ended. */
async function ended(sessionId: string, turnId: string): Promise<any> {
  await seen(sessionId, turnId, ({ type }) => type === 'turn.ended');
  return (await api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body;
}

async function seen(sessionId: string, turnId: string, is: (event: any) => boolean): Promise<any> {
  for await (const event of followEvents(api, cluster.apiKey, sessionId)) {
    if ((event as any).turnId === turnId && is(event)) return event;
  }
  throw new Error('the history came to an end');
}

async function eventsOf(sessionId: string, turnId: string): Promise<any[]> {
  return (await readHistory(api, sessionId)).filter((event) => (event as any).turnId === turnId);
}

const texts = (events: any[]) => events.flatMap(({ type, data }) => (type === 'message.agent' ? [data.text] : []));

/** The runner's process ends at once; the next one takes over by itself. */
const killRunner = () => cluster.processes.kill('sandbox-runner', 'SIGKILL');

test('what an agent says, does and has done for it is in the history', async () => {
  const { id } = await newSession();
  const script = [
    'think what to do',
    'plan look around',
    'say I look.',
    'read /workspace/src/1/file-1.txt',
    'run echo made > by-agent; cat by-agent',
    'write /workspace/notes/why.md because',
    'read /etc/passwd',
    'say Done.',
  ].join('\n');
  const turnId = await say(id, script);
  const turn = await ended(id, turnId);
  expect(turn).toMatchObject({ outcome: 'completed', usage: { steps: 1, inputTokens: 4, outputTokens: 3 } });
  const events = await eventsOf(id, turnId);
  // A turn that takes a while makes its session busy.
  const told = events.map(({ type }) => type).filter((type) => !type.endsWith('delta') && type !== 'session.busy');
  expect(told).toEqual([
    ...['message.user', 'turn.started', 'plan.updated', 'reasoning', 'file.read', 'message.agent', 'tool.started'],
    ...['tool.ended', 'files.changed', 'message.agent', 'turn.ended'],
  ]);
  expect(events.find(({ type }) => type === 'file.read').data).toMatchObject({ source: 'agent_protocol' });
  expect(texts(events).at(-1)).toMatch(/it is not below \/workspace.*Done\. $/s);
  expect(JSON.stringify(events.find(({ type }) => type === 'tool.ended').data)).toContain('made');
  expect((await api.bytes(`/v1/sessions/${id}/files/notes/why.md`)).bytes.toString()).toBe('because\n');
});

test('a runner that is killed in the middle of what the agent says and does is not noticed in what the history tells', async () => {
  const { id } = await newSession();
  const script = [
    ...[
      'say I begin and go on',
      'run echo 1 >> ran; until [ -e go ]; do sleep 0.05; done; echo ran',
      'say in the middle',
    ],
    ...['wait /workspace/go-on', 'write notes.md text', 'run echo 2 >> ran', 'say done'],
  ];
  const turnId = await say(id, script.join('\n'));
  const command = (text: string) => api.make(`/v1/sessions/${id}/commands?waitSeconds=280`, { command: text });
  await seen(id, turnId, ({ type }) => type === 'tool.started');
  killRunner();
  await command('touch go');
  await seen(id, turnId, ({ type }) => type === 'tool.ended');
  killRunner();
  await command('touch go-on');
  expect(await ended(id, turnId)).toMatchObject({ outcome: 'completed', usage: { steps: 2 } });
  expect((await api.bytes(`/v1/sessions/${id}/files/ran`)).bytes.toString()).toBe('1\n2\n');
  const events = await eventsOf(id, turnId);
  expect(events.filter(({ type }) => type === 'tool.ended')).toHaveLength(2);
  expect(texts(events).map((text) => text.trim())).toEqual(['I begin and go on', 'in the middle', 'done']);
});

test('an agent waits for a permission, also where its runner is killed meanwhile', async () => {
  const { id } = await newSession();
  const asks = { ...agent, permissions: { execute: 'ask' } };
  const turnId = await say(id, 'run echo yes > allowed\nrun echo no > denied\nsay done', asks);
  const answer = (permissionId: string, decision: string) =>
    api.make(`/v1/sessions/${id}/permissions/${permissionId}`, { decision });
  const first = await seen(id, turnId, ({ type }) => type === 'permission.requested');
  expect(first.data).toMatchObject({
    permissionId: `${turnId}-p1`,
    toolKind: 'execute',
    detail: expect.stringContaining('echo yes'),
  });
  killRunner();
  await cluster.processes.whenReady('sandbox-runner');
  await answer(`${turnId}-p1`, 'allow');
  await seen(id, turnId, ({ type, data }) => type === 'permission.requested' && data.permissionId === `${turnId}-p2`);
  await answer(`${turnId}-p2`, 'deny');
  expect(await ended(id, turnId)).toMatchObject({ outcome: 'completed' });
  const ends = (await eventsOf(id, turnId)).filter(({ type }) => type === 'tool.ended').map(({ data }) => data.failed);
  expect(ends).toEqual([false, true]);
  const { items } = (await api.get(`/v1/sessions/${id}/files`)).body;
  expect(items.map(({ name }: any) => name)).toEqual(expect.arrayContaining(['allowed']));
  expect(items.map(({ name }: any) => name)).not.toContain('denied');
});

/** Not the promise of two seconds, which a busy machine may break for itself: turn-cancel.test.ts. */
const stoppedMsMax = 20_000;

test('a turn is canceled although its agent hangs, and the next message is answered by the same conversation', async () => {
  const { id } = await newSession();
  const hanging = await say(id, 'say begun\nhang');
  await seen(id, hanging, ({ type }) => type === 'message.agent_delta');
  const startedMs = Date.now();
  await api.make(`/v1/sessions/${id}/turns/${hanging}/cancel`);
  expect(await ended(id, hanging)).toMatchObject({ outcome: 'canceled' });
  const end = (await eventsOf(id, hanging)).find(({ type }) => type === 'turn.ended');
  expect(Date.parse(end.time) - startedMs).toBeLessThan(stoppedMsMax);
  const next = await say(id, 'recall');
  expect(await ended(id, next)).toMatchObject({ outcome: 'completed' });
  expect(texts(await eventsOf(id, next)).join('')).toContain('say begun');
});

test('a conversation goes on after the session has slept', async () => {
  const { id } = await newSession();
  expect(await ended(id, await say(id, 'say I remember'))).toMatchObject({ outcome: 'completed' });
  await hibernate(api, id);
  const next = await say(id, 'recall');
  expect(await ended(id, next)).toMatchObject({ outcome: 'completed' });
  expect(texts(await eventsOf(id, next))).toEqual(['say I remember\nrecall\n']);
});

test.each([
  ['dies', 'die 4', /exited with 4/],
  ['floods', 'flood', /over 262144 bytes/],
])('an agent that %s ends its turn with that, and the next message is answered', async (_, text, reason) => {
  const { id } = await newSession();
  expect(await ended(id, await say(id, text))).toMatchObject({
    outcome: 'failed',
    reason: expect.stringMatching(reason),
  });
  expect(await ended(id, await say(id, 'say well'))).toMatchObject({ outcome: 'completed' });
});

const toolEnds = (events: any[]) =>
  events.flatMap(({ type, data }) => (type === 'tool.ended' ? [{ ...data, ...JSON.parse(data.outputJson) }] : []));

test('a terminal of an agent: its output is read while it runs, its end is kept as asked for, and killed or released it ends', async () => {
  const { id } = await newSession();
  const script = [
    ...['background echo $$ > first; echo up; sleep 600', 'until up', 'kill'],
    ...['background echo $$ > second.tmp; mv second.tmp second; sleep 600', 'wait second', 'release'],
    ...['terminal seq 1 1000; exit 3', 'say done'],
  ];
  const turnId = await say(id, script.join('\n'));
  expect(await ended(id, turnId)).toMatchObject({ outcome: 'completed', usage: { steps: 3 } });
  const events = await eventsOf(id, turnId);
  const heard = texts(events).join('');
  expect(heard).toContain('{"output": "up\\n", "truncated": false}');
  expect(heard).toContain('"exitStatus": {"exitCode": null, "signal": "SIGTERM"}');
  expect(heard).toContain('"exitStatus": {"exitCode": 3, "signal": null}');
  const started = events.flatMap(({ type, data }) => (type === 'tool.started' ? [data.tool] : []));
  expect(started).toEqual(['terminal', 'terminal', 'terminal']);
  const [killed, released, ran] = toolEnds(events);
  expect(killed).toMatchObject({ failed: true, output: 'up\n', error: 'canceled: the agent ends it' });
  expect(released).toMatchObject({ failed: true, output: '', error: 'canceled: the agent ends it' });
  expect(ran).toMatchObject({ failed: true, exitCode: 3, cut: true });
  expect(ran.output).toMatch(/999\n1000\n$/);
  expect(ran.output.length).toBeLessThanOrEqual(100);
  const command = 'for one in first second; do kill -0 "$(cat $one)" 2> /dev/null || echo gone; done';
  const { output } = await api.make(`/v1/sessions/${id}/commands?waitSeconds=60`, { command });
  expect(output.text).toBe('gone\ngone\n');
});

test('a terminal that cannot be opened is refused with what is wrong, and the agent goes on', async () => {
  const { id } = await newSession();
  const open = (asked: object) => `open ${JSON.stringify({ command: 'true', ...asked })}`;
  const refused: [string, RegExp][] = [
    [open({ cwd: '/etc' }), /cwd is not below \/workspace/],
    [open({ cwd: 'a\0b' }), /cwd contains a NUL byte/],
    [open({ command: 'true\0' }), /argv contains a NUL byte/],
    [open({ env: [{ name: 'A', value: 'x\0argv=rm' }] }), /env contains a NUL byte/],
    [open({ env: [{ name: '', value: 'x' }] }), /env has a name that is empty/],
    [open({ args: 'x' }), /its parameters do not fit: args/],
    ['fill 1 1000000', /its parameters do not fit: env\.0\.value/],
    ['fill 30 90000', /the request has \d+ bytes, at most 1048576 fit/],
  ];
  const turnId = await say(id, [...refused.map(([line]) => line), open({}), 'say done'].join('\n'));
  expect(await ended(id, turnId)).toMatchObject({ outcome: 'completed' });
  const events = await eventsOf(id, turnId);
  const heard = texts(events).join('');
  for (const [, why] of refused) expect(heard).toMatch(why);
  expect(heard.match(/opened/g)).toHaveLength(1);
  const count = (type: string) => events.filter((event) => event.type === type).length;
  expect(count('tool.ended')).toBe(count('tool.started'));
  expect(await ended(id, await say(id, 'fill 100 100000'))).toMatchObject({
    outcome: 'failed',
    reason: expect.stringMatching(/a line of the agent is over \d+ bytes/),
  });
});

test.each<[string, string, { seconds?: number; tokens?: number }, string]>([
  ['its time', 'say begun\nhang', { seconds: 2 }, 'time'],
  ['what it says is in its context', 'context 300\nhang', { tokens: 300 }, 'tokens'],
  ['what the models have used that it calls', 'call\ncall\nhang', { tokens: 1_000 }, 'tokens'],
])('a turn of an agent that goes on ends at its limit, by %s', async (_, text, limits, reason) => {
  const { id } = await newSession();
  const turn = await ended(id, await say(id, text, { ...agent, limits }));
  expect(turn).toMatchObject({ outcome: 'limit_reached', reason });
  if (limits.tokens) expect(turn.usage.inputTokens + turn.usage.outputTokens).toBe(limits.tokens);
  expect(await ended(id, await say(id, 'say well'))).toMatchObject({ outcome: 'completed' });
});
