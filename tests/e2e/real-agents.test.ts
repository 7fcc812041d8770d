// Agents as they are published, in a sandbox that reaches nothing but the model endpoint; what the model says is scripted.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareAgentsImage } from './agents-image.ts';
import { type Api, createApi, followEvents, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

let model: LLMock;
let cluster: RunningTestCluster;
let api: Api;
let image: string;

beforeAll(async () => {
  model = new LLMock({ port: 0 });
  await model.start();
  cluster = await startTestCluster('real-agents', {
    ...process.env,
    WORKTRAIL_MODEL_URL: `${model.url}/v1`,
    GOOGLE_API_KEY: 'the-real-one',
    GOOGLE_GEMINI_BASE_URL: model.url,
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  image = await prepareAgentsImage(cluster.dockerSocket);
}, 600_000);
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

async function ended(sessionId: string, turnId: string): Promise<any> {
  for await (const event of followEvents(api, cluster.apiKey, sessionId)) {
    if (event.type === 'turn.ended' && (event as any).turnId === turnId) break;
  }
  return (await api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body;
}

/** A repository whose test fails, in a project that has the agents. */
async function makeProject(name: string): Promise<{ projectId: string; path: string }> {
  const clone = (await makeRepository(join(cluster.repositoryRoot, `${name}-clone`), 3)).path;
  const path = join(cluster.repositoryRoot, `${name}.git`);
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-C', clone, '-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args]);
  await writeFile(join(clone, 'sum.sh'), 'add() { echo $(($1 - $2)); }\n');
  await writeFile(join(clone, 'test.sh'), '. ./sum.sh; [ $(add 2 2) = 4 ]\n');
  await git('add', '.');
  await git('commit', '-qm', 'A test that fails');
  await git('clone', '-q', '--bare', '.', path);
  const body = {
    ...{ name, repository: { url: path } },
    environment: { image, network: { mode: 'restricted' }, resources: { memoryMb: 2_048, cpus: 2 } },
    approval: { requiredApprovals: 0, requiredChecks: ['sh test.sh'], mergeMethod: 'merge' },
  };
  return { projectId: (await api.make('/v1/projects', body)).id, path };
}

const call = (name: string, input: object) => ({ name, arguments: JSON.stringify(input) });

interface Scripted {
  message: string;
  steps: object[];
}

/** What the model answers, by how often it has answered in this conversation. Requests without tools are for a title. */
function script({ message, steps }: Scripted): void {
  const isOurs = (request: any) => request.tools?.length > 0 && JSON.stringify(request.messages).includes(message);
  steps.forEach((step, turnIndex) => model.on({ turnIndex, predicate: isOurs } as any, step as any));
}

const agents: [string, object[]][] = [
  [
    'opencode',
    [
      {
        content: 'I run the test.',
        toolCalls: [call('bash', { command: 'sh test.sh; cat sum.sh', description: 'Runs it' })],
      },
      { toolCalls: [call('read', { filePath: '/workspace/sum.sh' })] },
      { toolCalls: [call('edit', { filePath: '/workspace/sum.sh', oldString: '$1 - $2', newString: '$1 + $2' })] },
      { toolCalls: [call('bash', { command: 'sh test.sh && echo it passes', description: 'Runs it again' })] },
      { content: 'It subtracted; now it adds.' },
    ],
  ],
  [
    'gemini',
    [
      { content: 'I read.', toolCalls: [call('read_file', { file_path: '/workspace/sum.sh' })] },
      {
        toolCalls: [
          call('replace', {
            ...{ file_path: '/workspace/sum.sh', old_string: '$1 - $2', new_string: '$1 + $2' },
            instruction: 'Adds instead of subtracting',
          }),
        ],
      },
      { toolCalls: [call('run_shell_command', { command: 'sh test.sh', description: 'Runs it' })] },
      { content: 'It subtracted; now it adds.' },
    ],
  ],
  [
    'codex',
    [
      { toolCalls: [call('exec_command', { cmd: 'sh test.sh; cat sum.sh' })] },
      { toolCalls: [call('exec_command', { cmd: "sed -i 's/- /+ /' sum.sh; sh test.sh && echo it passes" })] },
      { content: 'It subtracted; now it adds.' },
    ],
  ],
];

test.each(agents)(
  '%s finds out why a test fails and mends it, and its proposal merges',
  async (kind, steps) => {
    const message = `please mend the test, ${kind}`;
    model.on({ predicate: (request: any) => !request.tools?.length } as any, { content: 'A title' });
    script({ message, steps });
    const { projectId, path } = await makeProject(kind);
    const session = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: kind });
    expect(session).toMatchObject({ state: 'ready' });
    const said = { text: message, agent: { kind, model: 'scripted' } };
    const { turnId } = await api.make(`/v1/sessions/${session.id}/messages`, said);
    const turn = await ended(session.id, turnId);
    const history = (await readHistory(api, session.id)).filter((event) => (event as any).turnId === turnId);
    expect({ turn, told: history.map(({ type }) => type) }).toMatchObject({ turn: { outcome: 'completed' } });
    expect(history.filter(({ type }) => type === 'tool.ended').map(({ data }) => data['failed'])).not.toContain(true);
    expect(JSON.stringify(history.findLast(({ type }) => type === 'message.agent'))).toContain('now it adds');
    const proposal = await api.make(`/v1/sessions/${session.id}/proposals`, { title: 'Mended' });
    const state = async () => (await api.get(`/v1/proposals/${proposal.id}`)).body.state;
    await expect.poll(state).toBe('mergeable');
    await api.post(`/v1/proposals/${proposal.id}/merge`, {});
    await expect.poll(state).toBe('merged');
    const { stdout } = await promisify(execFile)('git', ['-C', path, 'show', 'main:sum.sh']);
    expect(stdout).toContain('$1 + $2');
  },
  300_000,
);

test('codex goes on with its conversation, is told it where its record is gone, reaches nothing else, and says why a model is not to be had', async () => {
  const asked: string[] = [];
  const answers = { 'keep 4711': 'I keep it.', 'which number': 'It is 4711.', 'once more': 'Still 4711.' };
  for (const [question, content] of Object.entries(answers)) {
    const isAsked = ({ messages }: any) => {
      const isLast = JSON.stringify(messages.findLast((one: any) => one.role === 'user')).includes(question);
      if (isLast) asked.push(JSON.stringify(messages));
      return isLast;
    };
    model.on({ predicate: isAsked } as any, { content });
  }
  model.on({ predicate: ({ messages }: any) => JSON.stringify(messages.at(-1)).includes('refuse it') } as any, {
    ...{ error: { message: 'no such model', type: 'invalid_request_error' }, status: 400 },
  });
  const { projectId } = await makeProject('codex-again');
  const { id } = await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=120`, { title: 'Codex' });
  const say = async (text: string) => {
    const said = { text, agent: { kind: 'codex', model: 'scripted' } };
    return ended(id, (await api.make(`/v1/sessions/${id}/messages`, said)).turnId);
  };
  expect(await say('please keep 4711')).toMatchObject({ outcome: 'completed' });
  expect(await say('which number was it?')).toMatchObject({ outcome: 'completed' });
  await api.make(`/v1/sessions/${id}/commands?waitSeconds=60`, { command: 'rm -r ~/.codex/sessions' });
  expect(await say('tell me once more')).toMatchObject({ outcome: 'completed' });
  const [, second, third] = [...new Set(asked)];
  expect(second).toContain('keep 4711');
  expect(third).toMatch(/User: please keep 4711.*Agent: It is 4711\./s);
  const history = await readHistory(api, id);
  const told = history.flatMap(({ type, data }) => (type === 'message.agent' ? [data['text']] : []));
  expect(told).toEqual(Object.values(answers));
  expect(history.filter(({ type }) => type === 'egress.refused').map(({ data }) => data)).toEqual([]);
  expect(await say('please refuse it')).toMatchObject({
    ...{ outcome: 'failed', reason: expect.stringContaining('no such model') },
  });
});
