// Models that answer badly, and limits: each turn ends in a named way, the history stays readable, and the next message works.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, readHistory } from './api.ts';
import { begin, calls, chunk, end, inTurn, type RawModel, refuses, says, startRawModel } from './raw-model.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';
import { createSay, type Say } from './turn-client.ts';

const key = 'key-of-the-operator';
const models = {
  priced: { provider: 'custom', id: 'priced', price: { input: 1_000, output: 10_000 } },
};

let model: RawModel;
let cluster: RunningTestCluster;
let api: Api;
let say: Say;
let projectId: string;
/** One for all of them: each message after the first is the next one after a bad answer. */
let sessionId: string;

beforeAll(async () => {
  model = await startRawModel();
  cluster = await startTestCluster('bad-models', {
    ...process.env,
    WORKTRAIL_MODEL_URL: model.url,
    WORKTRAIL_MODEL_KEY: key,
    WORKTRAIL_MODEL_DEFAULT: 'custom/raw',
    WORKTRAIL_MODEL_MODELS: JSON.stringify(models),
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  say = createSay(api, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'bad'), 10);
  projectId = (await api.make('/v1/projects', { name: 'bad', repository: { url: repository.path } })).id;
  sessionId = (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, { title: 'Bad' })).id;
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

const eventsOf = async (turn: any, of = sessionId) =>
  (await readHistory(api, of)).filter((event) => (event as any).turnId === turn.id);

test('models are listed without keys, and what is not there is named with what would give it', async () => {
  const listed = await api.get('/v1/models');
  expect(listed.body.items.map(({ name, isDefault, price }: any) => [name, isDefault, price?.input])).toEqual([
    ['custom/raw', true, undefined],
    ['priced', false, 1_000],
  ]);
  const config = await api.get('/v1/config');
  expect(config.body.model.default).toBe('custom/raw');
  expect(JSON.stringify([listed.body, config.body])).not.toContain(key);
  const turn = await say(sessionId, 'hello', { model: 'anthropic/claude' });
  expect(turn).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('ANTHROPIC_API_KEY') });
  expect(await say(sessionId, 'hello', { model: 'slow' })).toMatchObject({
    reason: expect.stringContaining('there are: priced, custom/'),
  });
});

test('nonsense is an answer; unknown tools and input that does not fit are refused, and the model is told why', async () => {
  model.on('nonsense', says('%%% ]]}} asdf <tool>'));
  expect(await say(sessionId, 'nonsense')).toMatchObject({ outcome: 'completed' });
  const bad = calls(
    ['no such tool!', '{}'],
    ['read_file', '{"path": 3}'],
    ['read_file', 'not json'],
    ['read_file', '[]'],
  );
  model.on('wrong tools', inTurn(bad, says('I see.')));
  const turn = await say(sessionId, 'wrong tools');
  expect(turn).toMatchObject({ outcome: 'completed', usage: { steps: 2 } });
  const told = JSON.stringify(model.asked('wrong tools')[1]!.body.messages);
  for (const reason of ['no tool of that name', 'does not fit', 'is no JSON']) expect(told).toContain(reason);
});

test('an answer of 10 MB, in pieces or in one line, is cut off', async () => {
  let gone = 0;
  model.on('endless text', async (response) => {
    response.setMaxListeners(0).on('close', () => (gone += 1));
    begin(response);
    for (let sent = 0; sent < 10_000 && !response.destroyed; sent += 1) {
      if (!response.write(chunk({ content: 'x'.repeat(1_000) }))) {
        await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
      }
    }
    if (!response.destroyed) end(response, 'stop');
  });
  const failed = { outcome: 'failed', reason: expect.stringContaining("the model's answer is over 262144 bytes") };
  expect(await say(sessionId, 'endless text')).toMatchObject(failed);
  await expect.poll(() => gone).toBe(1);
  model.on('endless line', (response) => {
    begin(response);
    response.end(`data: ${'x'.repeat(10_000_000)}`);
  });
  expect(await say(sessionId, 'endless line')).toMatchObject(failed);
  model.on('large input', calls(['write_file', JSON.stringify({ path: 'a', content: 'x'.repeat(5_000_000) })]));
  expect(await say(sessionId, 'large input')).toMatchObject(failed);
  model.on(
    'much to escape',
    inTurn(calls(['write_file', JSON.stringify({ path: 'a', content: '\0'.repeat(40_000) })]), says('Written.')),
  );
  expect(await say(sessionId, 'much to escape')).toMatchObject({ outcome: 'completed' });
  for (const message of ['endless text', 'endless line', 'large input']) expect(model.asked(message)).toHaveLength(1);
});

test('a thousand tools in one step are too many; calls that share an id are done each', async () => {
  model.on('a thousand', calls(...Array.from({ length: 1_000 }, (): [string, string] => ['list_files', '{}'])));
  expect(await say(sessionId, 'a thousand')).toMatchObject({
    outcome: 'failed',
    reason: expect.stringContaining('more than 64 uses of tools'),
  });
  model.on('same id', inTurn(calls(['list_files', '{}', 'c1'], ['list_files', '{"path":"src"}', 'c1']), says('Done.')));
  const turn = await say(sessionId, 'same id');
  expect(turn).toMatchObject({ outcome: 'completed' });
  const ends = (await eventsOf(turn)).filter(({ type }) => type === 'tool.ended');
  expect(new Set(ends.map(({ data }) => data['toolCallId'])).size).toBe(2);
});

test('an agent that goes round in circles is told so, then ended, and one that never comes to an end at its limit of steps', async () => {
  model.on('circles', calls(['list_files', '{}']));
  const warning = 'came to the same';
  model.on(warning, calls(['list_files', '{}']));
  const turn = await say(sessionId, 'circles');
  expect(turn).toMatchObject({ outcome: 'limit_reached', reason: 'repetition', usage: { steps: 20 } });
  expect([model.asked('circles').length, model.asked(warning).length]).toEqual([10, 10]);
  const told = (await eventsOf(turn)).filter(({ type }) => type === 'limit.reached');
  expect(told.map(({ data }) => data['limit'])).toEqual(['repetition']);
  model.on('no end', (response, asked) => calls(['read_file', `{"path":"no-${asked.count}"}`])(response, asked));
  expect(await say(sessionId, 'no end', { limits: { steps: 3 } })).toMatchObject({
    ...{ outcome: 'limit_reached', reason: 'steps', usage: { steps: 3 } },
  });
});

test('tokens, cost and time are limits too, each by its name', async () => {
  model.on('much', (response, asked) => calls(['read_file', `{"path":"no-${asked.count}"}`])(response, asked));
  expect(await say(sessionId, 'much', { limits: { tokens: 150 } })).toMatchObject({
    ...{
      outcome: 'limit_reached',
      reason: 'tokens',
      usage: { steps: 2, inputTokens: 200, outputTokens: 20, costUsd: 0 },
    },
  });
  const priced = await say(sessionId, 'much', { model: 'priced', limits: { costUsd: 0.5 } });
  expect(priced).toMatchObject({ outcome: 'limit_reached', reason: 'cost', usage: { steps: 3 } });
  expect(priced.usage.costUsd).toBeCloseTo(0.6);
  model.on('sleeps', calls(['run_command', '{"command":"sleep 600"}']));
  const slow = await say(sessionId, 'sleeps', { limits: { seconds: 10 } });
  expect(slow).toMatchObject({ outcome: 'limit_reached', reason: 'time', usage: { steps: 1 } });
  const told = (await eventsOf(slow)).filter(({ type }) => type === 'limit.reached');
  expect(told.map(({ data }) => data)).toMatchObject([{ limit: 'time', detail: 'the turn may take 10 seconds' }]);
});

test('all turns of a session together have limits, which can be changed and which a fork begins anew', async () => {
  const path = `/v1/projects/${projectId}/sessions?waitSeconds=280`;
  const session = await api.make(path, { title: 'Bounded', agentLimits: { tokens: 200 } });
  expect(session).toMatchObject({ agentLimits: { tokens: 200, steps: null }, agentUsage: { tokens: 0 } });
  model.on('short', says('Yes.'));
  for (const outcome of ['completed', 'completed', 'limit_reached']) {
    const turn = await say(session.id, 'short');
    expect([turn.outcome, turn.reason]).toEqual([outcome, outcome === 'completed' ? undefined : 'session_tokens']);
  }
  expect(model.asked('short')).toHaveLength(2);
  const shown = async (id: string) => (await api.get(`/v1/sessions/${id}`)).body;
  await expect.poll(() => shown(session.id)).toMatchObject({ agentUsage: { steps: 2, tokens: 220, costUsd: 0 } });
  const fork = (await api.make(`/v1/sessions/${session.id}/fork`)).items[0];
  expect(await shown(fork.id)).toMatchObject({ agentLimits: { tokens: 200 }, agentUsage: { tokens: 0 } });
  expect(await say(fork.id, 'short')).toMatchObject({ outcome: 'completed' });
  const patched = await api.request('PATCH', `/v1/sessions/${session.id}`, { agentLimits: { tokens: null, steps: 3 } });
  expect(patched.body).toMatchObject({ agentLimits: { tokens: null, steps: 3 } });
  expect(await say(session.id, 'short')).toMatchObject({ outcome: 'completed' });
  expect(await say(session.id, 'short')).toMatchObject({ outcome: 'limit_reached', reason: 'session_steps' });
  const refused = await api.request('PATCH', `/v1/sessions/${session.id}`, { agentLimits: { tokens: 0 } });
  expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: 'agentLimits.tokens' }] } });
});

test('models that a command calls count for its session and for the turn that goes on, and are refused beyond a limit of the session', async () => {
  const environment = { network: { mode: 'restricted', allow: [] } };
  const { repository } = (await api.get(`/v1/projects/${projectId}`)).body;
  const project = await api.make('/v1/projects', { name: 'calling', repository: { url: repository.url }, environment });
  const { id } = await api.make(`/v1/projects/${project.id}/sessions?waitSeconds=280`, {
    agentLimits: { tokens: 600 },
  });
  const body = JSON.stringify({ model: 'priced', stream: true, messages: [{ role: 'user', content: 'by a command' }] });
  const script = [
    "exec 3<>/dev/tcp/127.0.0.1/20480; body='" + body + "'",
    String.raw`printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "${'$'}{#body}" "$body" >&3; cat <&3`,
  ].join('\n');
  const run = async (command: string) =>
    (await api.make(`/v1/sessions/${id}/commands?waitSeconds=280`, { command })).output.text;
  await run(`cat > /tmp/call.sh <<'END'\n${script}\nEND`);
  model.on('by a command', says('Here.'));
  expect(await run('bash /tmp/call.sh')).toMatch(/^HTTP\/1.1 200 [^]*Here\./);
  const shown = async () => (await api.get(`/v1/sessions/${id}`)).body.agentUsage;
  await expect.poll(async () => (await shown()).tokens).toBe(110);
  expect((await shown()).costUsd).toBeCloseTo(0.2);

  model.on('let it call', calls(['run_command', '{"command":"while bash /tmp/call.sh; do sleep 0.2; done"}']));
  const turn = await say(id, 'let it call', { limits: { tokens: 300 } });
  expect(turn).toMatchObject({ outcome: 'limit_reached', reason: 'tokens', usage: { steps: 1 } });
  expect(turn.usage.inputTokens + turn.usage.outputTokens).toBeGreaterThanOrEqual(300);

  await expect.poll(() => run('bash /tmp/call.sh')).toMatch(/^HTTP\/1.1 403 [^]*session_tokens[^]*may take 600 tokens/);
  const history = async () => (await readHistory(api, id)) as any[];
  // Told by the runner, in this order, after what was used.
  const refusals = async () =>
    (await history()).flatMap(({ type, data }) => (type === 'egress.refused' ? [data.reason] : []));
  await expect.poll(refusals).toEqual(['limit_reached']);
  const told = await history();
  const limits = told.flatMap(({ type, data }) => (type === 'limit.reached' ? [data.limit] : []));
  expect(limits).toEqual(['tokens', 'session_tokens']);
  const called = told.filter(({ type, turnId }) => type === 'usage' && !turnId).length;
  await expect.poll(async () => (await shown()).tokens).toBe(called * 110 + 110);
  expect((await shown()).costUsd).toBeCloseTo(called * 0.2);
  expect(await say(id, 'let it call')).toMatchObject({ outcome: 'limit_reached', reason: 'session_tokens' });
});

test('a model that says nothing, or what cannot be read, is asked three times in all', async () => {
  model.on('silent', says(''));
  expect(await say(sessionId, 'silent')).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('empty') });
  model.on('mute at first', inTurn(says('  '), says('Here I am.')));
  expect(await say(sessionId, 'mute at first')).toMatchObject({ outcome: 'completed' });
  model.on('garbage', (response) => {
    begin(response);
    response.end('data: this is no JSON\n\n');
  });
  expect(await say(sessionId, 'garbage')).toMatchObject({ outcome: 'failed' });
  expect(['silent', 'garbage'].map((message) => model.asked(message).length)).toEqual([3, 3]);
});

test('an answer that breaks off, too many requests and a server in trouble are tried again, when they say', async () => {
  model.on(
    'breaks',
    inTurn((response) => {
      begin(response);
      response.write(chunk({ content: 'half of it' }), () => response.destroy());
    }, says('The whole.')),
  );
  const turn = await say(sessionId, 'breaks');
  expect([turn.outcome, turn.reason]).toEqual(['completed', undefined]);
  const texts = (await eventsOf(turn)).filter(({ type }) => type === 'message.agent').map(({ data }) => data['text']);
  expect(texts).toEqual(['The whole.']);
  model.on('too many', inTurn(refuses(429, { 'retry-after': '3' }), says('Now.')));
  expect(await say(sessionId, 'too many')).toMatchObject({ outcome: 'completed' });
  const [first, second] = model.asked('too many').map(({ atMs }) => atMs);
  expect(second! - first!).toBeGreaterThanOrEqual(3_000);
  model.on('in trouble', inTurn(refuses(503), refuses(500), says('Now.')));
  expect(await say(sessionId, 'in trouble')).toMatchObject({ outcome: 'completed' });
  model.on('long in trouble', inTurn(refuses(503), refuses(503), refuses(503, {}, `busy ${key}`), says('Now.')));
  const long = await say(sessionId, 'long in trouble');
  expect(long).toMatchObject({ outcome: 'completed' });
  expect((await eventsOf(long)).filter(({ type }) => type === 'limit.reached').map(({ data }) => data)).toEqual([
    { limit: 'model', detail: "the model's server answered 503: busy ***. It is asked again" },
  ]);
  model.on('much later', refuses(429, { 'retry-after': '500' }));
  expect(await say(sessionId, 'much later', { limits: { seconds: 3 } })).toMatchObject({
    ...{ outcome: 'limit_reached', reason: 'time' },
  });
  model.on(
    'error inside',
    inTurn((response) => {
      begin(response);
      response.end(`data: ${JSON.stringify({ error: { message: 'overloaded' } })}\n\n`);
    }, says('Now.')),
  );
  expect(await say(sessionId, 'error inside')).toMatchObject({ outcome: 'completed' });
});

test('what is refused is not tried again, and its reason is told without the key', async () => {
  for (const status of [400, 401, 403]) {
    model.on(`refuses ${status}`, refuses(status, {}, `bad key ${key}`));
    const { outcome, reason } = await say(sessionId, `refuses ${status}`);
    expect([outcome, reason]).toEqual(['failed', expect.stringContaining(`${status}: bad key ***`)]);
    expect(reason).not.toContain(key);
    expect(model.asked(`refuses ${status}`)).toHaveLength(1);
  }
  model.on('filtered', (response) => {
    begin(response);
    response.write(chunk({ content: 'I was going to' }));
    end(response, 'content_filter');
  });
  expect(await say(sessionId, 'filtered')).toMatchObject({
    outcome: 'failed',
    reason: expect.stringContaining('content_filter'),
  });
  model.on('cut at its length', (response) => {
    begin(response);
    response.write(chunk({ content: 'I was going to' }));
    end(response, 'length');
  });
  expect(await say(sessionId, 'cut at its length')).toMatchObject({
    outcome: 'failed',
    reason: expect.stringContaining('length'),
  });
});

test('escapes of a terminal, NUL and halves of characters are in the history as text, and all of it can be read', async () => {
  model.on('escapes', says('\u001b[2J\0\ud800 end \u{1f600}'));
  const turn = await say(sessionId, 'escapes');
  expect(turn).toMatchObject({ outcome: 'completed' });
  const texts = (await eventsOf(turn)).filter(({ type }) => type === 'message.agent').map(({ data }) => data['text']);
  expect(texts).toEqual(['\u001b[2J\0\ufffd end \u{1f600}']);
  model.on('well?', says('All is well.'));
  expect(await say(sessionId, 'well?')).toMatchObject({ outcome: 'completed' });
  const history = await readHistory(api, sessionId);
  const began = history.filter(({ type }) => type === 'turn.started').map((event) => (event as any).turnId);
  const ended = history.filter(({ type }) => type === 'turn.ended').map((event) => (event as any).turnId);
  expect(ended).toEqual(began);
  expect(history.filter(({ type }) => type === 'gap')).toEqual([]);
  const { items } = (await api.get(`/v1/sessions/${sessionId}/turns?limit=200`)).body;
  expect(items.every(({ state, outcome }: any) => state === 'ended' && outcome !== null)).toBe(true);
});
