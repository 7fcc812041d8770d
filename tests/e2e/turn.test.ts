// A message to the agent: a turn that uses a tool in the sandbox, with all of it in the history. The model is scripted.

import { join } from 'node:path';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

let model: LLMock;
let cluster: RunningTestCluster;
let api: Api;
let projectId: string;

beforeAll(async () => {
  model = new LLMock({ port: 0 });
  await model.start();
  cluster = await startTestCluster('turns', {
    ...process.env,
    WORKTRAIL_MODEL_URL: `${model.url}/v1`,
    WORKTRAIL_MODEL_DEFAULT: 'custom/scripted',
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'turns'), 10);
  projectId = (await api.make('/v1/projects', { name: 'turns', repository: { url: repository.path } })).id;
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
}, 60_000);

async function say(sessionId: string, text: string): Promise<any> {
  const { turnId } = await api.make(`/v1/sessions/${sessionId}/messages`, { text });
  for await (const event of followEvents(api, cluster.apiKey, sessionId)) {
    if (event.type === 'turn.ended' && (event as any).turnId === turnId) break;
  }
  return (await api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body;
}

test('a turn runs a command in the sandbox and tells what came of it', async () => {
  model.on(
    { userMessage: 'how many files', hasToolResult: false },
    {
      content: 'I count them.',
      reasoning: 'ls will do',
      toolCalls: [{ name: 'run_command', arguments: JSON.stringify({ command: 'echo made > by-agent; ls | wc -l' }) }],
    },
  );
  model.on({ userMessage: 'how many files', hasToolResult: true }, { content: 'There are some.' });
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=60`, { title: 'Turns' });
  const turn = await say(session.id, 'how many files are there?');
  expect(turn).toMatchObject({ state: 'ended', outcome: 'completed', usage: { steps: 2 } });
  const history = await readHistory(api, session.id);
  const of = history.filter((event) => (event as any).turnId === turn.id);
  console.log(of.map((e) => [e.time.slice(17, 23), e.type, JSON.stringify(e.data).slice(0, 150)].join(' ')).join('\n'));
  expect(of.map(({ type }) => type)).toEqual(
    expect.arrayContaining([
      'message.user',
      'turn.started',
      'reasoning',
      'message.agent',
      'tool.started',
      'command.ended',
      'tool.ended',
      'turn.ended',
    ]),
  );
}, 120_000);
