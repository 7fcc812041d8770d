// The agent where nobody sits beside it: a chat that makes its session, a task that is started, attempts with different agents. The model
// is scripted.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents, readHistory, trialEnd } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const run = promisify(execFile);
let model: LLMock;
let cluster: RunningTestCluster;
let api: Api;
let upstream: string;
let projectId: string;

beforeAll(async () => {
  model = new LLMock({ port: 0 });
  await model.start();
  cluster = await startTestCluster('agent-work', {
    ...process.env,
    WORKTRAIL_MODEL_URL: `${model.url}/v1`,
    WORKTRAIL_MODEL_DEFAULT: 'custom/scripted',
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const clone = (await makeRepository(join(cluster.repositoryRoot, 'clone'), 10)).path;
  upstream = join(cluster.repositoryRoot, 'upstream.git');
  await run('git', ['clone', '-q', '--bare', clone, upstream]);
  const approval = { requiredApprovals: 0, requiredChecks: ['test "$(cat answer)" = 42'] };
  projectId = (await api.make('/v1/projects', { name: 'agents', repository: { url: upstream }, approval })).id;
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

async function untilTurnEnded(sessionId: string, turnId: string): Promise<any> {
  for await (const event of followEvents(api, cluster.apiKey, sessionId)) {
    if (event.type === 'turn.ended' && (event as any).turnId === turnId) break;
  }
  return (await api.get(`/v1/sessions/${sessionId}/turns/${turnId}`)).body;
}

test('a chat makes a session and its first turn in one step, and asked again under its key the same two', async () => {
  model.on({ userMessage: 'who are you' }, { content: 'Nobody in particular.' });
  const body = { text: 'Say:\nwho are you?' };
  const headers = { 'idempotency-key': randomUUID() };
  const first = await api.post(`/v1/projects/${projectId}/chats`, body, headers);
  expect(first.status).toBe(201);
  const { session, turn } = first.body;
  expect(session).toMatchObject({ projectId, title: 'Say:', trialId: null });
  expect(turn).toMatchObject({ id: turn.turnId, sessionId: session.id, state: 'queued', text: body.text });

  const again = await api.post(`/v1/projects/${projectId}/chats`, body, headers);
  expect(again.status).toBe(201);
  expect(again.body).toMatchObject({ session: { id: session.id }, turn: { turnId: turn.turnId } });
  expect(await untilTurnEnded(session.id, turn.turnId)).toMatchObject({ outcome: 'completed', usage: { steps: 1 } });
  const history = await readHistory(api, session.id);
  expect(history.filter(({ type }) => type === 'message.user')).toHaveLength(1);
  expect(history.map(({ type }) => type).slice(0, 2)).toEqual(['session.created', 'message.user']);
});

test('a chat without a text, or with an agent that nobody knows, is refused by the name of the field', async () => {
  const refused = async (body: object) => {
    const { status, body: problem } = await api.post(`/v1/projects/${projectId}/chats`, body);
    return { status, path: problem.errors?.[0]?.path };
  };
  expect(await refused({ text: '' })).toEqual({ status: 422, path: 'text' });
  expect(await refused({ text: 'x', agent: { kind: 'parrot' } })).toEqual({ status: 422, path: 'agent.kind' });
  expect(await refused({ text: 'x', title: 'two\nlines' })).toEqual({ status: 422, path: 'title' });
});

const call = (name: string, input: object) => ({ name, arguments: JSON.stringify(input) });

/** What the model answers, step by step, to a message. */
function script(userMessage: string, steps: { content?: string; toolCalls?: object[] }[]): void {
  steps.forEach((step, turnIndex) => model.on({ userMessage, turnIndex } as any, step as any));
}

const write = (path: string, content: string) => [
  { toolCalls: [call('write_file', { path, content })] },
  { content: 'I wrote it.' },
];

test('of three attempts by two strategies the verifier judges each, the comparison tells what they took, and the winner is merged', async () => {
  script('think about the answer', write('answer', '42'));
  script('guess the answer', write('answer', '41'));
  const task = await api.make(`/v1/projects/${projectId}/tasks`, { title: 'Find the answer' });
  const trial = await api.make(`/v1/tasks/${task.id}/trials`, {
    attempts: [
      { title: 'by thought', message: 'Please think about the answer.', agent: { model: 'custom/thinker' } },
      { title: 'by guess', message: 'Please guess the answer.', agent: { limits: { steps: 5 } } },
      { title: 'prepared', commands: ['mkdir notes'], message: 'Please think about the answer.' },
    ],
    verify: ['test "$(cat answer)" = 42'],
  });
  const ended = await trialEnd(api, trial.id);
  expect(ended).toMatchObject({ state: 'completed', reason: null });
  expect(ended.sessions.map(({ verdict }: any) => verdict)).toEqual(['passed', 'failed', 'passed']);
  expect(ended.sessions.map(({ commandIds }: any) => commandIds.length)).toEqual([1, 1, 2]);
  expect(ended.sessions.every(({ turnId }: any) => typeof turnId === 'string')).toBe(true);
  const [winner] = ended.sessions;
  const prepared = await readHistory(api, ended.sessions[2].sessionId);
  // Told by three producers: what came first is told by its time.
  const order = prepared
    .filter(({ type }) => ['command.ended', 'turn.started', 'turn.ended'].includes(type))
    .toSorted((one, other) => Date.parse(one.time) - Date.parse(other.time));
  expect(order.map(({ type }) => type)).toEqual(['command.ended', 'turn.started', 'turn.ended', 'command.ended']);

  const comparison = (await api.get(`/v1/tasks/${task.id}/comparison`)).body;
  const used = { turns: 1, tokens: expect.any(Number), cost: expect.any(Number) };
  expect(comparison.items).toMatchObject([
    { title: 'by thought', verdict: 'passed', filesChanged: 1, commands: 1, ...used },
    { title: 'by guess', verdict: 'failed', commands: 1, ...used },
    { title: 'prepared', verdict: 'passed', commands: 2, ...used },
  ]);
  expect(ended.usage.tokens).toBe(comparison.items.reduce((sum: number, { tokens }: any) => sum + tokens, 0));

  const proposal = await api.make(`/v1/sessions/${winner.sessionId}/proposals`);
  const state = async () => (await api.get(`/v1/proposals/${proposal.id}`)).body.state;
  const patient = { timeout: 240_000, interval: 100 };
  await expect.poll(state, patient).toBe('mergeable');
  await api.make(`/v1/proposals/${proposal.id}/merge`);
  await expect.poll(state, patient).toBe('merged');
  expect((await run('git', ['-C', upstream, 'show', 'main:answer'])).stdout).toBe('42');
});

test('a task is started with its title and description as the message', async () => {
  script('In one word', [{ content: 'Twelve.' }]);
  const task = { title: 'Count the files', description: 'In one word.' };
  const { id } = await api.make(`/v1/projects/${projectId}/tasks`, task);
  const ended = await trialEnd(api, (await api.make(`/v1/tasks/${id}/start`)).id);
  const [attempt] = ended.sessions;
  expect(attempt).toMatchObject({ verdict: 'passed', title: task.title, commandIds: [] });
  const turn = (await api.get(`/v1/sessions/${attempt.sessionId}/turns/${attempt.turnId}`)).body;
  expect(turn).toMatchObject({ text: 'Count the files\n\nIn one word.', outcome: 'completed' });
});

test('the others are stopped once one has passed, while the model still thinks', async () => {
  script('answer at once', write('answer', '42'));
  model.on({ userMessage: 'think for long' }, { content: 'Well. '.repeat(2_000) }, { latency: 100, chunkSize: 10 });
  const task = await api.make(`/v1/projects/${projectId}/tasks`, { title: 'Find the answer first' });
  const trial = await api.make(`/v1/tasks/${task.id}/trials`, {
    attempts: [{ message: 'Do think for long.' }, { message: 'Do answer at once.' }],
    verify: ['test "$(cat answer)" = 42'],
    stopWhen: 'passed',
  });
  const ended = await trialEnd(api, trial.id);
  expect(ended).toMatchObject({ state: 'completed', reason: 'attempt 2 passed', stopWhen: 'passed' });
  const [slow] = ended.sessions;
  expect(slow).toMatchObject({ state: 'ended', verdict: null, reason: 'another attempt passed' });
  expect(await untilTurnEnded(slow.sessionId, slow.turnId)).toMatchObject({
    outcome: 'canceled',
    reason: 'trial_attempt_passed',
  });
});

test('no turn goes on, and none begins, once the budget of the trial is used up', async () => {
  model.on(
    { userMessage: 'go on for ever' },
    {
      toolCalls: [call('run_command', { command: 'true' })],
      usage: { prompt_tokens: 500, completion_tokens: 100, total_tokens: 600 },
    },
  );
  const task = await api.make(`/v1/projects/${projectId}/tasks`, { title: 'Never end' });
  const message = 'Do go on for ever.';
  const trial = await api.make(`/v1/tasks/${task.id}/trials`, {
    attempts: [{ message }, { message }, { message }],
    maxParallel: 2,
    budget: { tokens: 3_000 },
  });
  const ended = await trialEnd(api, trial.id);
  expect(ended).toMatchObject({ state: 'failed', budget: { tokens: 3_000 } });
  // What a turn used before it was stopped is counted still.
  const [, used] = /^the budget of the trial is used up: (\d+) of 3000 tokens$/.exec(ended.reason)!;
  expect(Number(used)).toBeGreaterThanOrEqual(3_000);
  expect(ended.usage.tokens).toBeGreaterThanOrEqual(Number(used));
  expect(ended.sessions.map(({ turnId }: any) => turnId === null)).toEqual([false, false, true]);
  for (const { sessionId, turnId, verdict, reason } of ended.sessions.slice(0, 2)) {
    expect({ verdict, reason }).toEqual({ verdict: null, reason: ended.reason });
    const turn = await untilTurnEnded(sessionId, turnId);
    expect(turn).toMatchObject({ outcome: 'canceled', reason: 'trial_budget_tokens' });
  }
});

const worktrail = async (...args: string[]): Promise<string> => {
  const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
  const env = { ...process.env, WORKTRAIL_HOME: cluster.stateDirectory };
  return (await run(process.execPath, [program, ...args], { env })).stdout;
};

test('the command line tries a message with two models, shows what each does, and compares what they took', async () => {
  model.on({ userMessage: 'write the answer down', model: /good/, turnIndex: 0 }, write('written', '42')[0] as any);
  model.on({ userMessage: 'write the answer down', model: /good/, turnIndex: 1 }, { content: 'Here it is.' });
  model.on({ userMessage: 'write the answer down', model: /lazy/ }, { content: 'I would rather not.' });
  const message = 'Please write the answer down.';
  const taskId = (await worktrail('task', 'create', 'Write it down', '--project', projectId)).trim();
  const models = ['--model', 'custom/good', '--model', 'custom/lazy'];
  const shown = await worktrail('trial', 'run', taskId, '--message', message, ...models, '--verify', 'test -s written');
  expect(shown).toMatch(/1 custom\/good: .*│ message\.agent {2}Here it is\./);
  expect(shown).toMatch(/2 custom\/lazy: .*│ turn\.ended {2}completed/);
  expect(shown).toMatch(/completed, 1 of 2 passed, .* tokens/);
  const [head, good, lazy] = (await worktrail('compare', taskId)).split('\n');
  expect(head).toMatch(/TURNS +TOKENS +COST/);
  expect([good, lazy]).toEqual([
    expect.stringMatching(/ custom\/good: .* passed .* 1 +\d+ +\$/),
    expect.stringMatching(/ custom\/lazy: .* failed .* 1 +\d+ +\$/),
  ]);
  const started = JSON.parse(
    (await worktrail('task', 'start', taskId, '--message', message, '--model', 'custom/lazy', '--json'))
      .trim()
      .split('\n')
      .at(-1)!,
  );
  expect(started.trial).toMatchObject({ state: 'completed', sessions: [{ verdict: 'passed' }] });
});

test('an orchestrator that is killed while the agents work costs no attempt its verdict', async () => {
  script('survive it', [
    { toolCalls: [call('run_command', { command: 'sleep 3; echo done >> survived' })] },
    { content: 'It is written.' },
  ]);
  const task = await api.make(`/v1/projects/${projectId}/tasks`, { title: 'Survive' });
  const message = 'Please survive it.';
  const trial = await api.make(`/v1/tasks/${task.id}/trials`, {
    attempts: [{ message }, { message }],
    verify: ['test "$(cat survived)" = done'],
    budget: { tokens: 1_000_000 },
  });
  for (const { sessionId } of trial.sessions) {
    for await (const event of followEvents(api, cluster.apiKey, sessionId)) if (event.type === 'command.started') break;
  }
  const { pids } = JSON.parse(await readFile(join(cluster.stateDirectory, 'connection.json'), 'utf8'));
  process.kill(pids.orchestrator, 'SIGKILL');
  const ended = await trialEnd(api, trial.id);
  expect(ended.sessions.map(({ verdict, reason }: any) => [verdict, reason])).toEqual([
    ['passed', null],
    ['passed', null],
  ]);
  for (const { sessionId } of ended.sessions) {
    const types = (await readHistory(api, sessionId)).map(({ type }) => type);
    const once = ['message.user', 'turn.started', 'turn.ended', 'tool.started', 'tool.ended'];
    expect(once.map((type) => types.filter((one) => one === type).length)).toEqual([1, 1, 1, 1, 1]);
  }
});
