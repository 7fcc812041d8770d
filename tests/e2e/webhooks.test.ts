// Webhooks to a real receiver: signed, at least once under one id, tried again, replayed; and to receivers that hang, redirect or never end.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client, Connection, type WorkflowClient } from '@temporalio/client';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConnection } from '../../deploy/local/src/connection-file.ts';
import { type Api, createApi, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
const patienceMs = 60_000;

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A receiver: by path, what it does with a request; all that came is kept. */
async function startReceiver() {
  const received: Received[] = [];
  const answers = new Map<string, (response: ServerResponse) => void>();
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    received.push({ path, headers: request.headers, body: await text(request) });
    const answer = answers.get(path) ?? ((to: ServerResponse) => to.writeHead(204).end());
    answer(response);
  };
  const server = createServer((request, response) => void take(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    answers,
    at: (path: string) => received.filter((one) => one.path === path),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + patienceMs; ; await delay(100)) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it did not come about');
  }
}

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let cluster: RunningTestCluster;
let api: Api;
let projectId: string;
let sessionId: string;

beforeAll(async () => {
  receiver = await startReceiver();
  cluster = await startTestCluster('webhooks', {
    ...process.env,
    WORKTRAIL_WEBHOOKS_PRIVATE_ALLOWED: `127.0.0.1:${receiver.port}`,
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'webhooks'), 5);
  projectId = (await api.make('/v1/projects', { name: 'hooked', repository: { url: repository.path } })).id;
  sessionId = (await api.make(`/v1/projects/${projectId}/sessions?waitSeconds=280`, {})).id;
});
afterAll(async () => {
  await cluster?.stop();
  await receiver?.stop();
});

const hook = (path: string, more: object = {}) =>
  api.make('/v1/webhooks', { url: `${receiver.url}${path}`, types: ['command.ended'], ...more });
const run = async (command: string) =>
  (await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=60`, { command })).id as string;
const deliveries = async (webhookId: string) => (await api.get(`/v1/webhooks/${webhookId}/deliveries`)).body.items;
const failure = (webhookId: string) =>
  until(async () => (await deliveries(webhookId)).find((one: any) => one.outcome === 'failed'));

async function worktrail(...args: string[]): Promise<string> {
  const env = { ...process.env, WORKTRAIL_HOME: cluster.stateDirectory, NO_COLOR: '1' };
  return (await promisify(execFile)(process.execPath, [program, ...args], { env })).stdout;
}

test('an event is delivered as the API shows it, signed, once the history has it; and again when asked, under the same id', async () => {
  const webhook = await hook('/well', { projectId });
  expect(webhook).toMatchObject({ enabled: true, projectId, secret: expect.stringMatching(/^whsec_/) });
  const commandId = await run('echo hooked');
  const [first] = await until(() => (receiver.at('/well').length > 0 ? receiver.at('/well') : undefined));
  const payload = new Webhook(webhook.secret).verify(first!.body, first!.headers as Record<string, string>) as any;
  const events = await readHistory(api, sessionId);
  const ended = events.find((event) => event.type === 'command.ended' && event.commandId === commandId)!;
  expect(payload).toEqual({ type: 'command.ended', timestamp: ended.time, data: ended });
  expect(first!.headers['webhook-id']).toBe(ended.id);

  const [logged] = await until(async () =>
    (await deliveries(webhook.id)).length > 0 ? deliveries(webhook.id) : undefined,
  );
  expect(logged).toMatchObject({
    eventId: ended.id,
    sessionId,
    attempt: 1,
    outcome: 'delivered',
    status: 204,
    last: true,
  });
  expect((await api.get(`/v1/webhooks/${webhook.id}`)).body.secret).toBeUndefined();

  expect(await worktrail('webhook', 'replay', webhook.id, ended.id)).toContain('is delivered again');
  const again = await until(() => receiver.at('/well')[1]);
  expect(again.headers['webhook-id']).toBe(ended.id);
  const table = await until(async () => {
    const shown = await worktrail('webhook', 'deliveries', webhook.id);
    return shown.includes('(replay)') ? shown : undefined;
  });
  expect(table).toContain('delivered');
  expect((await api.request('DELETE', `/v1/webhooks/${webhook.id}`)).status).toBe(204);
  await run('echo unheard');
  expect(receiver.at('/well')).toHaveLength(2);
});

test('a receiver that fails is tried again under the same id; events behind a failing one are delivered', async () => {
  let failures = 0;
  receiver.answers.set('/failing', (response) => {
    if (failures++ < 2) response.writeHead(500).end('out of order');
    else response.writeHead(200).end();
  });
  const webhook = await hook('/failing');
  await run('echo one');
  await run('echo two');
  await until(() => (receiver.at('/failing').length >= 4 ? true : undefined));
  const ids = receiver.at('/failing').map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(2);
  const log = await until(async () => {
    const all = await deliveries(webhook.id);
    return all.filter((one: any) => one.outcome === 'delivered').length === 2 ? all : undefined;
  });
  expect(log.filter((one: any) => one.outcome === 'failed')).toMatchObject([
    { status: 500, detail: 'out of order', last: false },
    { status: 500, detail: 'out of order', last: false },
  ]);
});

test('receivers that hang, redirect, never end their answer, or stand in a private network cost a bounded time each', async () => {
  receiver.answers.set('/redirect', (to) => to.writeHead(302, { location: `${receiver.url}/elsewhere` }).end());
  receiver.answers.set('/endless', (to) => {
    to.writeHead(500);
    const more = () => void (to.destroyed || to.write('x'.repeat(65_536), () => setImmediate(more)));
    more();
  });
  receiver.answers.set('/hangs', () => undefined);
  const hooks = {
    redirect: await hook('/redirect'),
    endless: await hook('/endless'),
    hangs: await hook('/hangs'),
    private: await hook('/private', { url: `http://localhost:${new URL(cluster.apiUrl).port}/private` }),
  };
  await run('echo to all');
  expect(await failure(hooks.redirect.id)).toMatchObject({ status: 302, detail: 'redirects are not followed' });
  expect(receiver.at('/elsewhere')).toEqual([]);
  expect(await failure(hooks.endless.id)).toMatchObject({ status: 500, detail: 'x'.repeat(1_024) });
  expect(await failure(hooks.private.id)).toMatchObject({ status: null, detail: /no address that may be reached/ });
  expect(await failure(hooks.hangs.id)).toMatchObject({ status: null, detail: 'no answer within 15 s' });
  for (const { id } of Object.values(hooks)) await api.request('DELETE', `/v1/webhooks/${id}`);
});

test('what happens while a webhook is disabled is delivered once it is enabled, also after its orchestrator was killed', async () => {
  const webhook = await hook('/later');
  expect((await api.request('PATCH', `/v1/webhooks/${webhook.id}`, { enabled: false })).body).toMatchObject({
    enabled: false,
  });
  const commandId = await run('echo meanwhile');
  cluster.processes.kill('orchestrator', 'SIGKILL');
  await cluster.processes.whenReady('orchestrator');
  expect(receiver.at('/later')).toEqual([]);
  expect(await worktrail('webhook', 'update', webhook.id, '--enable')).toContain('enabled');
  const late = await until(() => receiver.at('/later')[0]);
  expect(JSON.parse(late.body).data.commandId).toBe(commandId);
});

async function withWorkflows<T>(work: (workflow: WorkflowClient) => Promise<T>): Promise<T> {
  const { addresses, temporalNamespace } = (await readConnection(join(cluster.stateDirectory, 'connection.json')))!;
  const connection = await Connection.connect({ address: addresses.temporal });
  try {
    return await work(new Client({ connection, namespace: temporalNamespace }).workflow);
  } finally {
    await connection.close();
  }
}

test('a webhook whose workflow was terminated is begun again, once, and misses nothing that happened before and meanwhile', async () => {
  let isWell = false;
  receiver.answers.set('/lost', (to) => to.writeHead(isWell ? 204 : 503).end());
  const webhook = await hook('/lost');
  const before = [await run('echo before'), await run('echo before, too')];
  await withWorkflows(async (workflow) => {
    await until(() => (receiver.at('/lost').length >= 2 ? true : undefined));
    await workflow.getHandle(`webhook:${webhook.id}`).terminate('lost');
    const meanwhile = await run('echo meanwhile');
    isWell = true;
    await until(async () => {
      const fixed = await api.make('/v1/doctor/fix', {});
      return fixed.removed.some(({ name }: any) => name === webhook.id) ? true : undefined;
    });
    const of = ({ body }: Received) => JSON.parse(body).data.commandId as string;
    const delivered = async () => {
      const ids = (await deliveries(webhook.id)).filter((one: any) => one.outcome === 'delivered');
      return new Set(ids.map((one: any) => one.eventId));
    };
    await until(async () => ((await delivered()).size === 3 ? true : undefined));
    expect(new Set(receiver.at('/lost').map(of))).toEqual(new Set([...before, meanwhile]));
    const runs = [];
    for await (const { status } of workflow.list({ query: `WorkflowId = 'webhook:${webhook.id}'` }))
      runs.push(status.name);
    expect(runs.filter((status) => status === 'RUNNING')).toHaveLength(1);
  });
});

test('a replay begins the workflow of its webhook again where that was lost', async () => {
  const webhook = await hook('/lost-replay');
  await run('echo once');
  const [logged] = await until(async () => {
    const all = await deliveries(webhook.id);
    return all.length > 0 ? all : undefined;
  });
  await withWorkflows((workflow) => workflow.getHandle(`webhook:${webhook.id}`).terminate('lost'));
  const answer = await api.once('POST', `/v1/webhooks/${webhook.id}/replay`, { eventId: logged.eventId });
  expect(answer.status).toBe(202);
  await until(async () => ((await deliveries(webhook.id)).some((one: any) => one.replay) ? true : undefined));
  expect(new Set(receiver.at('/lost-replay').map(({ headers }) => headers['webhook-id']))).toEqual(
    new Set([logged.eventId]),
  );
});

test('what cannot be a webhook is refused by name, and webhooks are the organization’s own', async () => {
  const make = (body: object) => api.once('POST', '/v1/webhooks', body);
  const types = ['command.ended'];
  for (const [body, path] of [
    [{ url: 'ftp://example.org/', types }, 'url'],
    [{ url: 'https://10.1.2.3/hook', types }, 'url'],
    [{ url: 'https://user:word@example.org/', types }, 'url'],
    [{ url: 'https://example.org/', types: ['command.output'] }, 'types.0'],
    [{ url: 'https://example.org/', types: [] }, 'types'],
  ] as const) {
    expect(await make(body)).toMatchObject({ status: 422, body: { errors: [{ path }] } });
  }
  const operator = createApi(cluster.apiUrl, cluster.operatorToken);
  const other = await operator.make('/v1/organizations', { name: 'other', principal: { name: 'o', kind: 'user' } });
  const theirs = createApi(cluster.apiUrl, other.key.secret);
  const [mine] = (await api.get('/v1/webhooks')).body.items;
  expect((await theirs.get('/v1/webhooks')).body.items).toEqual([]);
  for (const path of [mine.id, `${mine.id}/deliveries`])
    expect((await theirs.get(`/v1/webhooks/${path}`)).status).toBe(404);
});
