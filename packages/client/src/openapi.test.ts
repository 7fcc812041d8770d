// The client is written by hand; this holds it to the gateway's own description of the API.

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createClient } from './client.ts';

interface Operation {
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}
interface Schema {
  $ref?: string;
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
}
interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const openApi = JSON.parse(await readFile(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')) as OpenApi;

/** Sends nothing; answers what was asked for. */
async function requestOf(call: (client: ReturnType<typeof createClient>) => Promise<unknown>): Promise<Request> {
  let sent: Request | undefined;
  const record: typeof fetch = async (input, init) => {
    sent = new Request(input as string, init);
    return new Response('{"items":[],"nextCursor":null}', { headers: { 'content-type': 'application/json' } });
  };
  await call(createClient({ apiUrl: 'http://api', apiKey: 'k', fetch: record }));
  return sent!;
}

function findOperation(request: Request): Operation | undefined {
  const { pathname } = new URL(request.url);
  for (const [path, operations] of Object.entries(openApi.paths)) {
    const pattern = new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`);
    const operation = operations[request.method.toLowerCase()];
    if (operation && pattern.test(pathname)) return operation;
  }
  return undefined;
}

function resolve(schema: Schema | undefined): Schema {
  return schema?.$ref ? resolve(openApi.components.schemas[schema.$ref.split('/').at(-1)!]) : (schema ?? {});
}

type Call = (client: ReturnType<typeof createClient>) => Promise<unknown>;
const page = { limit: 5, cursor: 'c' };
const calls: [string, Call][] = [
  ['organizations.create', (c) => c.organizations.create({ name: 'o', principal: { name: 'p', kind: 'user' } })],
  ['principals.me', (c) => c.principals.me()],
  ['principals.create', (c) => c.principals.create({ name: 'p', kind: 'service' })],
  ['principals.list', (c) => c.principals.list(page)],
  ['keys.create', (c) => c.keys.create({ principalId: 'p', scopes: ['read'], expiresAt: 't' })],
  ['keys.list', (c) => c.keys.list(page)],
  ['analytics.usage', (c) => c.analytics.usage({ from: 'f', to: 't', projectId: 'p', groupBy: 'day' })],
  ['analytics.sessions', (c) => c.analytics.sessions({ interval: 'week', limit: 9 })],
  ['analytics.outcomes', (c) => c.analytics.outcomes({ groupBy: 'task', label: 'team=core' })],
  ['analytics.tasks', (c) => c.analytics.tasks({ groupBy: 'task_strategy' })],
  ['analytics.commandFailures', (c) => c.analytics.commandFailures({ groupBy: 'kind' })],
  ['analytics.slowestCommands', (c) => c.analytics.slowestCommands({ limit: 9 })],
  ['analytics.outputVolume', (c) => c.analytics.outputVolume({ interval: 'hour' })],
  ['analytics.filesChanged', (c) => c.analytics.filesChanged({ groupBy: 'path' })],
  ['analytics.filesRead', (c) => c.analytics.filesRead({ groupBy: 'path' })],
  ['analytics.waits', (c) => c.analytics.waits({ interval: 'month' })],
  ['analytics.recovery', (c) => c.analytics.recovery({ groupBy: 'outcome' })],
  ['analytics.approvals', (c) => c.analytics.approvals({ groupBy: 'actor' })],
  ['search.find', (c) => c.search.find('needle', { ...page, projectId: 'p', types: ['reasoning'], from: 'f' })],
  ['search.all', (c) => c.search.all('needle').next()],
  ['audit.list', (c) => c.audit.list(page)],
  ['suggestions.scan', (c) => c.suggestions.scan('p', { waitSeconds: 1 })],
  ['suggestions.list', (c) => c.suggestions.list('p', { ...page, state: 'all', kind: 'todo' }, { waitSeconds: 1 })],
  ['suggestions.get', (c) => c.suggestions.get('s')],
  ['suggestions.accept', (c) => c.suggestions.accept('s', { agent: { model: 'a/b' }, message: 'm' })],
  ['suggestions.dismiss', (c) => c.suggestions.dismiss('s', { reason: 'r' })],
  ['tasks.start', (c) => c.tasks.start('t', { commands: ['true'], message: 'm', agent: {} })],
  ['keys.delete', (c) => c.keys.delete('k')],
  ['projects.create', (c) => c.projects.create(project)],
  ['projects.list', (c) => c.projects.list(page)],
  ['projects.get', (c) => c.projects.get('p')],
  ['projects.update', (c) => c.projects.update('p', project)],
  ['projects.delete', (c) => c.projects.delete('p')],
  ['projects.setSecret', (c) => c.projects.setSecret('p', 'N', 'v')],
  ['projects.deleteSecret', (c) => c.projects.deleteSecret('p', 'N')],
  ['projects.setCredential', (c) => c.projects.setCredential('p', { kind: 'token', token: 't', username: 'u' })],
  [
    'projects.searchContext',
    (c) =>
      c.projects.searchContext('p', 'q', {
        ref: 'r',
        limit: 1,
        kinds: ['text'],
        path: 'p',
        language: 'l',
        sessionId: 's',
      }),
  ],
  ['projects.deleteCredential', (c) => c.projects.deleteCredential('p')],
  ['tasks.create', (c) => c.tasks.create('p', { title: 't', description: 'd' })],
  ['tasks.list', (c) => c.tasks.list('p', page)],
  ['tasks.get', (c) => c.tasks.get('t')],
  ['tasks.update', (c) => c.tasks.update('t', { title: 't', description: 'd', state: 'done' })],
  ['trials.create', (c) => c.trials.create('t', trial)],
  ['trials.list', (c) => c.trials.list('t', page)],
  ['trials.get', (c) => c.trials.get('t', { waitSeconds: 1 })],
  ['trials.cancel', (c) => c.trials.cancel('t')],
  ['sessions.create', (c) => c.sessions.create('p', session, { waitSeconds: 1 })],
  ['sessions.list', (c) => c.sessions.list({ ...page, projectId: 'p', taskId: 't', trialId: 't', state: 'ready' })],
  ['sessions.get', (c) => c.sessions.get('s')],
  ['sessions.update', (c) => c.sessions.update('s', { title: 't', labels: {} })],
  ['sessions.archive', (c) => c.sessions.archive('s')],
  ['sessions.hibernate', (c) => c.sessions.hibernate('s')],
  ['sessions.resume', (c) => c.sessions.resume('s', { waitSeconds: 1 })],
  ['sessions.bringMain', (c) => c.sessions.bringMain('s', { method: 'rebase' })],
  ['sessions.fork', (c) => c.sessions.fork('s', { checkpointId: 'c', count: 2 })],
  ['checkpoints.create', (c) => c.checkpoints.create('s', { label: 'l' })],
  ['files.put', (c) => c.files.put('s', 'a', new Uint8Array(), { executable: true, ifMatch: '"x"' })],
  ['files.delete', (c) => c.files.delete('s', 'a', { ifMatch: '"x"' })],
  ['sessions.revert', (c) => c.sessions.revert('s', { checkpointId: 'chk', force: true })],
  ['checkpoints.list', (c) => c.checkpoints.list('s', page)],
  ['files.list', (c) => c.files.list('s', { ...page, path: 'p', at: 'c' })],
  ['files.open', (c) => c.files.open('s', 'p', { at: 'c', offset: 1, length: 1 })],
  ['files.diff', (c) => c.files.diff('s', { from: 'base', to: 'head', patch: false })],
  ['files.patch', (c) => c.files.patch('s', { from: 'base', to: 'head' })],
  ['proposals.open', (c) => c.proposals.open('s', { title: 't', description: 'd' })],
  ['proposals.list', (c) => c.proposals.list('s', page)],
  ['proposals.get', (c) => c.proposals.get('p')],
  ['proposals.approve', (c) => c.proposals.approve('p', { comment: 'c', headCommit: 'h' })],
  ['proposals.reject', (c) => c.proposals.reject('p', { comment: 'c' })],
  ['proposals.merge', (c) => c.proposals.merge('p')],
  ['proposals.close', (c) => c.proposals.close('p')],
  ['tasks.compare', (c) => c.tasks.compare('t')],
  ['runners.list', (c) => c.runners.list(page)],
  ['runners.drain', (c) => c.runners.drain('r', { undo: true })],
  ['limits.get', (c) => c.limits.get({ projectId: 'p' })],
  ['doctor.check', (c) => c.doctor.check()],
  ['doctor.fix', (c) => c.doctor.fix()],
  ['commands.run', (c) => c.commands.run('s', command, { waitSeconds: 1 })],
  ['commands.list', (c) => c.commands.list('s', page)],
  ['commands.get', (c) => c.commands.get('s', 'c')],
  ['commands.output', (c) => c.commands.output('s', 'c', { stream: 'both', offset: 1, limit: 1 })],
  ['commands.writeStdin', (c) => c.commands.writeStdin('s', 'c', new Uint8Array(1), { close: true })],
  ['commands.signal', (c) => c.commands.signal('s', 'c', 'INT')],
  ['commands.cancel', (c) => c.commands.cancel('s', 'c')],
  ['chats.create', (c) => c.chats.create('p', { text: 't', agent: {}, title: 't' }, { waitSeconds: 1 })],
  ['turns.send', (c) => c.turns.send('s', { text: 't', agent: { model: 'm', permissions: {}, limits: {} } })],
  ['turns.list', (c) => c.turns.list('s', page)],
  ['turns.get', (c) => c.turns.get('s', 't')],
  ['turns.answerPermission', (c) => c.turns.answerPermission('s', 'p', { decision: 'allow', remember: true })],
  ['turns.cancel', (c) => c.turns.cancel('s', 't')],
  ['events.list', (c) => c.events.list('s', { after: 'c', limit: 1, types: ['gap'], waitSeconds: 1 })],
  ['query.sql', (c) => c.query.sql({ sql: 'SELECT 1' })],
  ['models.list', (c) => c.models.list()],
  ['health.config', (c) => c.health.config()],
];
const project = {
  name: 'n',
  repository: { url: 'u', defaultBranch: 'b' },
  environment: {},
  hibernateAfterSeconds: 60,
  approval: {},
};
const fork = { sessionId: 's', checkpointId: 'c' };
const session = { title: 't', taskId: 't', trialId: 't', baseRef: 'r', fork, env: {}, labels: {} };
const trial = {
  ...{ name: 'n', attempts: [{ message: 'm', agent: {} }], verify: [], maxParallel: 1 },
  ...{ stopWhen: 'passed' as const, budget: { tokens: 1 } },
};
const command = { command: 'c', cwd: 'd', env: {}, timeoutSeconds: 1, stdin: '', background: true };

test.each(calls)('%s asks for what the API describes', async (_, call) => {
  const request = await requestOf(call);
  const operation = findOperation(request);
  expect(operation, `${request.method} ${new URL(request.url).pathname} is not in docs/openapi.json`).toBeDefined();
  const queries = operation!.parameters?.filter((parameter) => parameter.in === 'query').map(({ name }) => name) ?? [];
  for (const name of new URL(request.url).searchParams.keys()) expect(queries).toContain(name);
  if (request.headers.get('content-type') !== 'application/json') return;
  const schema = resolve(operation!.requestBody?.content['application/json']?.schema);
  const described = [schema, ...(schema.oneOf ?? [])].flatMap((one) => Object.keys(resolve(one).properties ?? {}));
  for (const name of Object.keys((await request.json()) as object)) expect(described).toContain(name);
});

test('headers that are heeded are described, and each kind of answer', () => {
  const operation = (method: string, path: string) => openApi.paths[path]![method]! as Operation & { responses: any };
  const headers = (method: string, path: string) =>
    (operation(method, path).parameters ?? []).filter((one) => one.in === 'header').map(({ name }) => name);
  for (const [path, operations] of Object.entries(openApi.paths))
    if (operations['post']) expect(headers('post', path), path).toContain('Idempotency-Key');
  const file = '/v1/sessions/{sessionId}/files/{path}';
  expect(headers('put', file)).toEqual(expect.arrayContaining(['If-Match', 'If-None-Match']));
  expect(headers('get', file)).toEqual(expect.arrayContaining(['Range', 'If-Range', 'If-None-Match']));
  const types = (path: string) => Object.keys(operation('get', path).responses['200'].content);
  expect(types('/v1/sessions/{sessionId}/diff')).toEqual(['application/json', 'text/x-diff']);
  expect(types('/v1/sessions/{sessionId}/events')).toEqual(['application/json', 'text/event-stream']);
});
