// ask and chat against a scripted API: what is sent, printed and left, and the exit code.

import type { ServerResponse } from 'node:http';
import type { WorktrailEvent } from '@worktrail/client';
import { afterEach, expect, test } from 'vitest';
import { answer, type CliOptions, eventStream, startCli, startTestApi, type TestApi } from '../test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const sessionId = 'ses_01kagb3pyqe1bsnx50e4g66jdv';
const projectId = 'prj_01kagb3pyqe1bsnx50e4g66jdv';
const session = { id: sessionId, title: 'Work', branch: 'worktrail/work', lastCursor: null, labels: {} };

type Told = readonly [string, Record<string, unknown>?];

const ended = (outcome: string): Told => ['turn.ended', { outcome, reason: '', usage: { steps: 1 } }];
const says = (text: string): Told => ['message.agent', { messageId: 'm', text, attempt: 1, toolCalls: [] }];

interface SetUp {
  told: readonly Told[];
  /** Told once the turn is canceled. */
  afterCancel?: readonly Told[];
  past?: readonly WorktrailEvent[];
}

async function setUp({ told, afterCancel = [], past = [] }: SetUp) {
  const events: WorktrailEvent[] = [];
  const tell = (all: readonly Told[], turnId = 'trn_1') => {
    const actor = { kind: 'agent' as const, id: 'x' };
    for (const [type, data = {}] of all) {
      const about = { cursor: `c${events.length}`, id: 'e', sessionId, turnId, time: '2026-01-01T00:00:00.000Z' };
      events.push({ ...about, type, actor, data } as WorktrailEvent);
    }
  };
  tell(told);
  let stream: { response: ServerResponse; from: number } | undefined;
  const api = await startTestApi((request, response) => {
    const { method, path } = request;
    if (path === `/v1/sessions/${sessionId}/events`) {
      if (request.headers.accept !== 'text/event-stream')
        return answer(response, 200, { items: past, nextCursor: 'c', complete: true });
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(eventStream(events, request));
      stream = { response, from: events.length };
      return true;
    }
    if (path === `/v1/sessions/${sessionId}/messages`) return answer(response, 202, { turnId: 'trn_1' });
    if (path === `/v1/sessions/${sessionId}/turns/trn_1/cancel`) {
      tell(afterCancel);
      const rest = events.slice(stream?.from).map((event) => `id: ${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`);
      stream?.response.write(rest.join(''));
      return answer(response, 202, { accepted: true });
    }
    if (path.startsWith(`/v1/sessions/${sessionId}/permissions/`)) return answer(response, 200, {});
    if (path === `/v1/sessions/${sessionId}/turns/trn_1`) return answer(response, 200, { id: 'trn_1', state: 'ended' });
    if (path === `/v1/sessions/${sessionId}`) return answer(response, 200, session);
    return method === 'POST' && path.endsWith('/chats') && answer(response, 201, { session, turn: { id: 'trn_1' } });
  });
  servers.push(api);
  const env = { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k', NO_COLOR: '1' };
  const start = (args: readonly string[], options: CliOptions = {}) => startCli(args, env, options);
  const posted = (end: string) =>
    api.requests
      .filter(({ method, path }) => method === 'POST' && path.endsWith(end))
      .map(({ body }) => (body.length > 0 ? JSON.parse(body.toString()) : {}));
  return { api, start, posted };
}

test('ask sends what it was given, agent and limits too', async () => {
  const { start, posted } = await setUp({ told: [says('Yes.'), ended('completed')] });
  const options = [
    '--model',
    'custom/x',
    '--max-steps',
    '3',
    '--max-cost',
    '.5',
    '--ask',
    'execute,fetch',
    '--deny',
    'fetch',
  ];
  const cli = start(['ask', sessionId, 'is', 'it?', ...options]);
  expect([await cli.exitCode, cli.stdout().toString()]).toEqual([0, 'Yes.\n']);
  expect(posted('/messages')).toEqual([
    {
      text: 'is it?',
      agent: {
        model: 'custom/x',
        limits: { steps: 3, costUsd: 0.5 },
        permissions: { execute: 'ask', fetch: 'deny' },
      },
    },
  ]);
});

test('of a project ask makes a session that begins with what is asked', async () => {
  const { start, posted } = await setUp({ told: [ended('completed')] });
  const cli = start(['ask', projectId, 'Why does\nit fail?']);
  expect([await cli.exitCode, cli.stderr()]).toEqual([0, expect.stringContaining(`session ${sessionId}\n`)]);
  expect([posted('/chats'), posted('/messages')]).toEqual([[{ text: 'Why does\nit fail?' }], []]);
});

test.each([
  ['without a text', [sessionId, '']],
  ['with an unknown kind of tool', [sessionId, 'x', '--ask', 'reading']],
  ['with a limit of nothing', [sessionId, 'x', '--max-cost', '0']],
])('ask %s is wrong usage', async (_, args) => {
  const { start, posted } = await setUp({ told: [] });
  expect(await start(['ask', ...args]).exitCode).toBe(2);
  expect(posted('/messages')).toEqual([]);
});

test('Ctrl-C cancels the turn, and ask exits as that has ended', async () => {
  const { start, posted } = await setUp({ told: [says('I begin.')], afterCancel: [ended('canceled')] });
  const cli = start(['ask', sessionId, 'x']);
  await cli.printed('I begin.');
  cli.raise('SIGINT');
  expect([await cli.exitCode, posted('/cancel')]).toEqual([120, [{}]]);
});

test('a second Ctrl-C, or TERM, leaves the turn, and says how to see it', async () => {
  for (const signals of [['SIGINT', 'SIGINT'], ['SIGTERM']] as const) {
    const { start, posted } = await setUp({ told: [says('I begin.')] });
    const cli = start(['ask', sessionId, 'x']);
    await cli.printed('I begin.');
    for (const [index, signal] of signals.entries()) {
      cli.raise(signal);
      if (index + 1 < signals.length) await expect.poll(() => posted('/cancel')).toHaveLength(1);
    }
    expect([await cli.exitCode, cli.stderr()]).toEqual([119, expect.stringContaining(`worktrail chat ${sessionId}`)]);
    expect(posted('/cancel')).toHaveLength(signals.length - 1);
  }
});

test("when stdout's reader has gone the turn is canceled", async () => {
  const { start, posted } = await setUp({ told: [says('Much.')] });
  const cli = start(['ask', sessionId, 'x'], { stdoutIsClosed: true });
  expect([await cli.exitCode, posted('/cancel')]).toEqual([141, [{}]]);
});

const asks: Told = [
  'permission.requested',
  { permissionId: 'trn_1-p1', toolKind: 'execute', detail: 'rm\u001b[2J -r x' },
];

test('what ask cannot answer it says how to answer', async () => {
  const { start } = await setUp({ told: [asks, ended('completed')] });
  const cli = start(['ask', sessionId, 'x']);
  expect(await cli.exitCode).toBe(0);
  expect(cli.stderr()).toContain(`may (execute): rm -r x\n  worktrail permission ${sessionId} trn_1-p1 allow`);
});

test.each([
  ['a', { decision: 'allow' }],
  ['A', { decision: 'allow', remember: true }],
  ['d', { decision: 'deny' }],
])('chat asks for a permission: %j', async (typed, decision) => {
  const { start, posted } = await setUp({ told: [asks], afterCancel: [ended('canceled')] });
  const cli = start(['chat', sessionId]);
  cli.stdin.write('do it\n');
  await cli.printed('The agent asks');
  cli.stdin.write(`${typed}\n`);
  await expect.poll(() => posted('/permissions/trn_1-p1')).toEqual([decision]);
  cli.raise('SIGINT');
  cli.stdin.end();
  expect(await cli.exitCode).toBe(0);
});

test('what stands in a pipe and is no answer is the next message, and how to answer is said', async () => {
  const { start, posted } = await setUp({ told: [asks], afterCancel: [ended('canceled')] });
  const cli = start(['chat', sessionId]);
  cli.stdin.end('do it\nthen that\n');
  await cli.printed(`worktrail permission ${sessionId} trn_1-p1 allow`);
  cli.raise('SIGINT');
  await expect.poll(() => posted('/messages')).toEqual([{ text: 'do it' }, { text: 'then that' }]);
  cli.raise('SIGTERM');
  await cli.exitCode;
  expect(posted('/permissions/trn_1-p1')).toEqual([]);
});

test('a turn that went wrong before is shown with its end: it would look unanswered', async () => {
  const actor = { kind: 'user' as const, id: 'x' };
  const at = (turnId: string, second: number) => ({
    ...{ cursor: 'p', id: 'e', sessionId, turnId, time: `2026-01-01T00:00:0${second}.000Z`, actor },
  });
  const past = [
    { ...at('trn_7', 0), type: 'message.user', data: { text: 'try' } },
    { ...at('trn_7', 1), type: 'turn.started', data: {} },
    { ...at('trn_7', 3), type: 'turn.ended', data: { outcome: 'failed', reason: 'no key', usage: { steps: 1 } } },
    { ...at('trn_8', 4), type: 'message.user', data: { text: 'again' } },
    { ...at('trn_8', 5), type: 'message.agent', data: { messageId: 'm', text: 'Done.', attempt: 1, toolCalls: [] } },
    { ...at('trn_8', 6), type: 'turn.ended', data: { outcome: 'completed', reason: '', usage: {} } },
  ] as WorktrailEvent[];
  const { start } = await setUp({ told: [], past });
  const cli = start(['chat', sessionId]);
  cli.stdin.end();
  expect(await cli.exitCode).toBe(0);
  expect(cli.stdout().toString()).toContain('> try\nfailed: no key (1 step, 0 tokens, 2.0 s)\n> again\nDone.\n');
});

test('chat follows a turn that goes on already, with what it asks for', async () => {
  const actor = { kind: 'user' as const, id: 'x' };
  const about = { cursor: 'p', id: 'e', sessionId, turnId: 'trn_1', time: '2026-01-01T00:00:00.000Z', actor };
  const past = [
    { ...about, type: 'message.user', data: { text: 'begun before' } },
    { ...about, type: 'permission.requested', data: { permissionId: 'trn_1-p1', toolKind: 'edit', detail: 'a.ts' } },
  ] as WorktrailEvent[];
  const { start, posted } = await setUp({ told: [], past, afterCancel: [ended('canceled')] });
  const cli = start(['chat', sessionId]);
  cli.stdin.write('a\n');
  await cli.printed('> begun before\n');
  await expect.poll(() => posted('/permissions/trn_1-p1')).toEqual([{ decision: 'allow' }]);
  cli.raise('SIGINT');
  await cli.printed('canceled (1 step');
  cli.stdin.end('/nonsense\n/cancel\n/quit\nnever sent\n');
  expect(await cli.exitCode).toBe(0);
  expect(cli.stdout().toString()).toMatch(/There is no \/nonsense:[^]*No turn goes on\./);
  expect(posted('/messages')).toEqual([]);
});
