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
    OPENAI_API_KEY: 'sk-scripted',
    OPENAI_BASE_URL: `${model.url}/v1`,
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'turns'), 10);
  projectId = (await api.make('/v1/projects', { name: 'turns', repository: { url: repository.path } })).id;
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

async function say(sessionId: string, text: string, agent?: object): Promise<any> {
  const { turnId } = await api.make(`/v1/sessions/${sessionId}/messages`, { text, ...(agent && { agent }) });
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
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Turns' });
  const turn = await say(session.id, 'how many files are there?');
  expect(turn).toMatchObject({ state: 'ended', outcome: 'completed', usage: { steps: 2 } });
  const history = await readHistory(api, session.id);
  const of = history.filter((event) => (event as any).turnId === turn.id);
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
  const states = history.filter(({ type }) => ['session.ready', 'session.busy', 'turn.ended'].includes(type));
  const told = ['session.ready', 'session.busy', 'turn.ended', 'session.ready'];
  expect(states.map(({ type }) => type)).toEqual(told);
  const stateOf = async () => (await api.get(`/v1/sessions?state=ready`)).body.items.map(({ id }: any) => id);
  await expect.poll(stateOf, { timeout: 60_000 }).toContain(session.id);
});

const call = (name: string, input: object) => ({ name, arguments: JSON.stringify(input) });

/** What the model answers, step by step, to a message. */
function script(userMessage: string, steps: { content?: string; reasoning?: string; toolCalls?: object[] }[]): void {
  steps.forEach((step, index) => model.on({ userMessage, turnIndex: index } as any, step as any));
}

test('a model of OpenAI is asked by its Responses API, and a turn of it goes on from what another model has done', async () => {
  script('look by yourself', [{ toolCalls: [call('list_files', {})] }, { content: 'I have looked.' }]);
  // Counted over all that was said before.
  const first = { reasoning: 'I look too.', toolCalls: [call('run_command', { command: 'ls' })] };
  model.on({ userMessage: 'and you?', turnIndex: 2 } as any, first as any);
  model.on({ userMessage: 'and you?', turnIndex: 3 } as any, { content: 'Me too.' });
  const { id } = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=60`, { title: 'Two models' });
  expect(await say(id, 'look by yourself')).toMatchObject({ outcome: 'completed' });
  const turn = await say(id, 'and you?', { model: 'openai/gpt-5' });
  expect(turn).toMatchObject({ outcome: 'completed', usage: { steps: 2 } });
  const asked = model.getRequests().filter(({ path }) => path === '/v1/responses');
  expect(asked).toHaveLength(2);
  expect(JSON.stringify(asked[1]?.body)).toMatch(/I have looked.*and you\?.*exitCode/s);
  const events = (await readHistory(api, id)).filter((event) => (event as any).turnId === turn.id);
  const reasoning = events.flatMap(({ type, data }) => (type === 'reasoning' ? [(data as any).text] : []));
  expect(reasoning).toEqual(['I look too.']);
});

test('an agent finds out why a test fails, mends it and shows that it passes', async () => {
  script('the test fails', [
    { reasoning: 'First I look.', toolCalls: [call('list_files', {}), call('run_command', { command: 'sh test.sh' })] },
    { toolCalls: [call('search_text', { pattern: 'add()' }), call('read_file', { path: 'lib/sum.sh' })] },
    {
      toolCalls: [
        call('update_plan', { items: [{ text: 'mend add', state: 'active' }] }),
        call('edit_file', { path: 'lib/sum.sh', find: '$1 - $2', replace: '$1 + $2' }),
        call('write_file', { path: 'notes/why.md', content: 'It took away.\n' }),
        call('no_such_tool', {}),
        call('edit_file', { path: 'lib/sum.sh', find: 'nowhere', replace: 'x' }),
      ],
    },
    { toolCalls: [call('run_command', { command: 'sh test.sh' })] },
    { content: 'It subtracted; now it adds, and the test passes.' },
  ]);
  const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Mend' });
  const put = {
    command: `mkdir lib; echo 'add() { echo $(($1 - $2)); }' > lib/sum.sh; echo '. ./lib/sum.sh; [ $(add 2 2) = 4 ]' > test.sh`,
  };
  await api.make(`/v1/sessions/${session.id}/commands?waitSeconds=280`, put);
  const turn = await say(session.id, 'the test fails: why?');
  const history = (await readHistory(api, session.id)).filter((event) => (event as any).turnId === turn.id);
  expect(turn).toMatchObject({ state: 'ended', outcome: 'completed', usage: { steps: 5 } });
  const ends = history.filter(({ type }) => type === 'tool.ended').map(({ data }) => data['failed']);
  expect(ends).toEqual([false, true, false, false, false, false, false, true, true, false]);
  expect((await api.bytes(`/v1/sessions/${session.id}/files/lib/sum.sh`)).bytes.toString()).toContain('$1 + $2');
  const asked = model.getRequests().at(-1)!.body as any;
  expect(JSON.stringify(asked.messages)).toContain('does not stand in the file');
});
