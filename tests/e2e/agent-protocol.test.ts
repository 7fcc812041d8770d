// A message to an agent that runs in the sandbox and speaks the Agent Client Protocol. The agent is scripted (scripted-agent.py).

import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

let cluster: RunningTestCluster;
let api: Api;
let projectId: string;

const agent = { kind: 'custom', command: 'exec python3 agent.py' };

beforeAll(async () => {
  cluster = await startTestCluster('agents');
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'agents'), 3);
  await copyFile(fileURLToPath(new URL('scripted-agent.py', import.meta.url)), join(repository.path, 'agent.py'));
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-C', repository.path, '-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args]);
  await git('add', '.');
  await git('commit', '-qm', 'An agent');
  projectId = (await api.make('/v1/projects', { name: 'agents', repository: { url: repository.path } })).id;
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

const newSession = () => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=60`, { title: 'Agents' });

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
  expect(events.map(({ type }) => type).filter((type) => !type.endsWith('delta'))).toEqual([
    ...['message.user', 'turn.started', 'reasoning', 'plan.updated', 'file.read', 'message.agent', 'tool.started'],
    ...['tool.ended', 'files.changed', 'message.agent', 'turn.ended'],
  ]);
  expect(events.find(({ type }) => type === 'file.read').data).toMatchObject({ source: 'agent_protocol' });
  expect(texts(events).at(-1)).toMatch(/it is not below \/workspace.*Done\. $/s);
  expect(JSON.stringify(events.find(({ type }) => type === 'tool.ended').data)).toContain('made');
  expect((await api.bytes(`/v1/sessions/${id}/files/notes/why.md`)).bytes.toString()).toBe('because\n');
}, 60_000);
