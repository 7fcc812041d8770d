// A conversation goes on with the session: asleep and awake, on another runner, after a lost host, in a fork, after a revert, and when it
// is longer than the model's context. What is checked is what the model was sent.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, hibernate, readHistory } from './api.ts';
import {
  begin,
  calls,
  chunk,
  end,
  inTurn,
  type RawModel,
  refuses,
  says,
  startRawModel,
  summaryRequest,
} from './raw-model.ts';
import { makeRepository } from './repository.ts';
import { type SecondRunner, startSecondRunner } from './second-runner.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';
import { createSay, type Say, untilEnded } from './turn-client.ts';

const models = { small: { provider: 'custom', id: 'small', contextTokens: 10_000, outputTokensMax: 1_000 } };

let model: RawModel;
let cluster: RunningTestCluster;
let api: Api;
let say: Say;
let projectId: string;
let firstId: string;
let second: SecondRunner;

beforeAll(async () => {
  model = await startRawModel();
  cluster = await startTestCluster('conversation', {
    ...process.env,
    WORKTRAIL_MODEL_URL: model.url,
    WORKTRAIL_MODEL_DEFAULT: 'custom/raw',
    WORKTRAIL_MODEL_MODELS: JSON.stringify(models),
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  say = createSay(api, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'conversation'), 10);
  projectId = (await api.make('/v1/projects', { name: 'conversation', repository: { url: repository.path } })).id;
  firstId = (await api.get('/v1/runners')).body.items[0].id;
  const directory = join(cluster.stateDirectory, 'second-runner');
  await mkdir(directory);
  second = await startSecondRunner(cluster.stateDirectory, join(directory, 'data'));
});
afterAll(async () => {
  await second?.stop();
  await cluster?.stop();
  await model?.stop();
});

const drain = (runnerId: string, undo = false) => api.make(`/v1/runners/${runnerId}/drain`, { undo });
const shown = async (id: string) => (await api.get(`/v1/sessions/${id}`)).body;
const make = (title: string) => api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title });

/** Ready on the second runner, because the first one takes none once it has heard of that. */
async function makeOnSecond(title: string): Promise<any> {
  await drain(firstId);
  for (;;) {
    const session = await make(title);
    if (session.runner === second.id) {
      await drain(firstId, true);
      return session;
    }
    await api.make(`/v1/sessions/${session.id}/archive`);
  }
}

/** What the model was sent of the conversation, one line a message. */
const told = (message: string, index = -1) =>
  model
    .asked(message)
    .at(index)!
    .body.messages.map(({ role, content, tool_calls }: any) => {
      const uses = (tool_calls ?? []).map(({ function: { name, arguments: input } }: any) => `${name} ${input}`);
      return [role, typeof content === 'string' ? content : JSON.stringify(content), ...uses].join(': ');
    });

/** A turn with a tool: it leaves a file and says a word. */
async function agree(sessionId: string, word: string): Promise<void> {
  const write = calls(['write_file', JSON.stringify({ path: 'word', content: word })]);
  model.on(`the word is ${word}`, inTurn(write, says(`I remember ${word}.`)));
  expect(await say(sessionId, `the word is ${word}`)).toMatchObject({ outcome: 'completed' });
}

const agreed = (word: string) => [
  `user: the word is ${word}`,
  expect.stringContaining(`write_file {"path":"word","content":"${word}"}`),
  expect.stringMatching(/^tool: /),
  `assistant: I remember ${word}.`,
];

test('asleep between two turns and woken by a message on another runner, the agent knows what was said and done', async () => {
  const session = await makeOnSecond('Moves');
  await agree(session.id, 'plum');
  await drain(second.id);
  await expect.poll(async () => (await shown(session.id)).state).toBe('hibernated');
  model.on('what was the word', says('It was plum.'));
  expect(await say(session.id, 'what was the word?')).toMatchObject({ outcome: 'completed' });
  const messages = told('what was the word');
  expect(messages.slice(1)).toEqual([...agreed('plum'), 'user: what was the word?']);
  expect((await api.bytes(`/v1/sessions/${session.id}/files/word`)).bytes.toString()).toBe('plum');
  expect((await shown(session.id)).runner).toBe(firstId);
  await drain(second.id, true);
});

test('a message that waits when the session is told to sleep is answered, after what was before it', async () => {
  const session = await make('Queued');
  const holding = Promise.withResolvers<void>();
  model.on('take your time', async (response, asked) => {
    await holding.promise;
    await says('Taken.')(response, asked);
  });
  model.on('and then', says('Then this.'));
  const first = await api.make(`/v1/sessions/${session.id}/messages`, { text: 'take your time' });
  const next = await api.make(`/v1/sessions/${session.id}/messages`, { text: 'and then?' });
  expect((await api.post(`/v1/sessions/${session.id}/hibernate`)).status).toBe(409);
  holding.resolve();
  for (const { turnId } of [first, next]) await untilEnded(api, cluster.apiKey, session.id, turnId);
  expect(told('and then').slice(1)).toEqual(['user: take your time', 'assistant: Taken.', 'user: and then?']);
  // One that comes while it falls asleep wakes it.
  const [asleep, turn] = await Promise.all([
    api.post(`/v1/sessions/${session.id}/hibernate`),
    say(session.id, 'and then, once more?'),
  ]);
  expect([200, 202, 409]).toContain(asleep.status);
  expect(turn).toMatchObject({ outcome: 'completed' });
  expect(told('and then').slice(1)).toHaveLength(5);
});

test('after its host is lost the agent is told what was said, and what was not kept', async () => {
  const session = await makeOnSecond('Loses its host');
  await agree(session.id, 'pear');
  await api.make(`/v1/sessions/${session.id}/checkpoints`, { label: 'pear' });
  await second.kill();
  const types = async () => (await readHistory(api, session.id)).map(({ type }) => type);
  await expect.poll(types, { timeout: 300_000 }).toContain('session.restored');
  model.on('still there', says('I am.'));
  expect(await say(session.id, 'still there?')).toMatchObject({ outcome: 'completed' });
  expect(told('still there').slice(1)).toEqual([
    ...agreed('pear'),
    expect.stringMatching(/^user: \[Worktrail: the sandbox was opened anew.*ignored files/),
    'user: still there?',
  ]);
  await second.start();
}, 600_000);

test('a fork goes on with what was said up to it; what either says afterwards the other does not hear', async () => {
  const session = await make('Parent');
  await agree(session.id, 'fig');
  const checkpoint = await api.make(`/v1/sessions/${session.id}/checkpoints`, { label: 'fig' });
  await agree(session.id, 'quince');
  const fork = (await api.make(`/v1/sessions/${session.id}/fork`, { checkpointId: checkpoint.id })).items[0];
  model.on('fork, the word', says('fig'));
  expect(await say(fork.id, 'fork, the word?')).toMatchObject({ outcome: 'completed' });
  expect(told('fork, the word').slice(1)).toEqual([
    ...agreed('fig'),
    // Its files are those of the checkpoint.
    expect.stringMatching(/^user: \[Worktrail: the sandbox was opened anew/),
    'user: fork, the word?',
  ]);
  model.on('parent, the word', says('quince'));
  expect(await say(session.id, 'parent, the word?')).toMatchObject({ outcome: 'completed' });
  expect(told('parent, the word').slice(1)).toEqual([...agreed('fig'), ...agreed('quince'), 'user: parent, the word?']);
  model.on('fork, again', says('fig'));
  expect(await say(fork.id, 'fork, again?')).toMatchObject({ outcome: 'completed' });
  expect(told('fork, again').slice(-3)).toEqual(['user: fork, the word?', 'assistant: fig', 'user: fork, again?']);
});

test('after a revert what was said stays, and the agent is told that the files went back', async () => {
  const session = await make('Reverts');
  await agree(session.id, 'lime');
  const checkpoint = await api.make(`/v1/sessions/${session.id}/checkpoints`, { label: 'lime' });
  await agree(session.id, 'lemon');
  await api.make(`/v1/sessions/${session.id}/revert`, { checkpointId: checkpoint.id });
  model.on('what is in it', inTurn(calls(['read_file', '{"path":"word"}']), says('lime')));
  expect(await say(session.id, 'what is in it?')).toMatchObject({ outcome: 'completed' });
  expect(told('what is in it', 0).slice(1)).toEqual([
    ...agreed('lime'),
    ...agreed('lemon'),
    expect.stringMatching(
      new RegExp(`^user: \\[Worktrail: the files were put back .* checkpoint ${checkpoint.number}`),
    ),
    'user: what is in it?',
  ]);
  expect(told('what is in it', 1).at(-1)).toContain('lime');
});

const long = (word: string) => `${word} ${'and so on '.repeat(250)}`;
const summaries = async (id: string) => (await readHistory(api, id)).filter(({ type }) => type === 'message.summary');

test('what no longer fits the model is summarized once, into the history; resumed and forked it goes on from there', async () => {
  const session = await make('Long');
  model.on(summaryRequest, (response, asked) => says(`Summary ${asked.count}: apples.`)(response, asked));
  const agent = { model: 'small' };
  const message = (count: number) => long(`long message ${count}`);
  for (let count = 0; count < 8; count += 1) {
    // An attempt that fails after its summary leaves that to the next.
    model.on(`long message ${count}`, inTurn(refuses(503), says(long(`answer ${count}`))));
    expect(await say(session.id, message(count), agent)).toMatchObject({ outcome: 'completed' });
  }
  const made = model.asked(summaryRequest).length;
  expect(made).toBeGreaterThan(0);
  const recorded = await summaries(session.id);
  expect(recorded).toHaveLength(made);
  const asked = JSON.stringify(model.asked(summaryRequest)[0]!.body.messages);
  expect(asked).toContain('long message 0');
  const last = told('long message 7').slice(1);
  expect(last[0]).toContain(`Summary ${made - 1}: apples.`);
  expect(last.at(-1)).toContain('long message 7');
  expect(last.join()).not.toContain('long message 0');
  for (const { body } of [...Array(8).keys()].flatMap((count) => model.asked(`long message ${count}`))) {
    expect(Buffer.byteLength(JSON.stringify(body.messages))).toBeLessThan(30_000);
  }
  // What the summary took is counted with the step that needed it.
  const { items } = (await api.get(`/v1/sessions/${session.id}/turns`)).body;
  const tokens = items.reduce((sum: number, { usage }: any) => sum + usage.inputTokens, 0);
  expect(tokens).toBe((8 + made) * 100);
  // The original stays.
  const texts = (await readHistory(api, session.id)).filter(({ type }) => type === 'message.user');
  expect(texts.map(({ data }) => data['text'])).toEqual([...Array(8).keys()].map(message));

  const fork = (await api.make(`/v1/sessions/${session.id}/fork`)).items[0];
  await hibernate(api, session.id);
  model.on('in short', says('Apples.'));
  for (const id of [session.id, fork.id]) {
    expect(await say(id, 'in short?', agent)).toMatchObject({ outcome: 'completed' });
    expect(told('in short')[1]).toContain(`Summary ${made - 1}: apples.`);
  }
  expect(model.asked(summaryRequest)).toHaveLength(made);
});

test('a provider that says it was told too much is told less; what cannot be made to fit ends the turn by name', async () => {
  const session = await make('Too much');
  model.on(summaryRequest, says('Pears.'));
  const tooLong = refuses(400, {}, "This model's maximum context length is 4097 tokens.", 'context_length_exceeded');
  model.on('a little', says(long('Yes.')));
  for (let count = 0; count < 5; count += 1) await say(session.id, 'a little');
  model.on('a bit more', (response, asked) => {
    const isMuch = JSON.stringify(asked.body.messages).length > 8_000;
    return (isMuch ? tooLong : says('It fits.'))(response, asked);
  });
  expect(await say(session.id, 'a bit more')).toMatchObject({ outcome: 'completed', usage: { steps: 1 } });
  expect(model.asked('a bit more')).toHaveLength(2);
  expect(told('a bit more')[1]).toContain('Pears.');
  model.on('never', tooLong);
  expect(await say(session.id, 'never')).toMatchObject({ outcome: 'failed' });
  model.on('after all', (response) => {
    begin(response);
    response.write(chunk({ content: 'Here.' }));
    end(response, 'stop');
  });
  expect(await say(session.id, 'after all')).toMatchObject({ outcome: 'completed' });
});
