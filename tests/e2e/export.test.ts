// The history of a session as a file, by the command line: read again, checked, and judged by a validator of the format that is not ours.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeScratch, type Scratch } from '@worktrail/testing/scratch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents, readHistory } from './api.ts';
import { calls, inTurn, type RawModel, says, startRawModel } from './raw-model.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';
import { createSay } from './turn-client.ts';

const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
/** NVIDIA's, Apache-2.0, a copy of the models of harbor-framework/harbor at ATIF v1.7; needs Python 3.11. */
const validator = 'nvidia-nat-atif==1.9.0';
/** OpenTelemetry's own, Apache-2.0. */
const otlpMessages = 'opentelemetry-proto==1.37.0';
const execute = promisify(execFile);

let scratch: Scratch;
let model: RawModel;
let collector: Awaited<ReturnType<typeof startCollector>>;
let cluster: RunningTestCluster;
let api: Api;
let sessionId: string;
let forkId: string;

beforeAll(async () => {
  scratch = await makeScratch('export');
  model = await startRawModel();
  collector = await startCollector();
  cluster = await startTestCluster('export', {
    ...process.env,
    WORKTRAIL_MODEL_URL: model.url,
    WORKTRAIL_MODEL_DEFAULT: 'custom/raw',
    WORKTRAIL_OTLP_URL: collector.url,
    WORKTRAIL_OTLP_HEADERS: 'authorization=Bearer of the collector',
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  const repository = await makeRepository(join(cluster.repositoryRoot, 'export'), 5);
  model.on(
    'look',
    inTurn(calls(['list_files', '{}'], ['run_command', '{"command":"echo seen"}']), says('# I have looked')),
  );
  const { id } = await api.make('/v1/projects', { name: 'export', repository: { url: repository.path } });
  sessionId = (await api.make(`/v1/projects/${id}/sessions?waitSeconds=280`, { title: 'Look <b>' })).id;
  expect(await createSay(api, cluster.apiKey)(sessionId, 'look')).toMatchObject({ outcome: 'completed' });
  await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=60`, {
    command: 'printf "\\377\\n"; echo done; exit 3',
  });
  await quiet(sessionId);
  [{ id: forkId }] = (await api.make(`/v1/sessions/${sessionId}/fork`, {})).items;
  await api.make(`/v1/sessions/${forkId}/commands?waitSeconds=60`, { command: 'seq 20000; touch forked' });
  await quiet(forkId);
  // After the fork, and not in its history.
  await api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=60`, { command: 'touch later' });
  await quiet(sessionId);
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
  await collector?.stop();
  await scratch?.remove();
});

/** Of traces: keeps what it is sent. */
async function startCollector() {
  const bodies: Buffer[] = [];
  const keys = new Set<string | undefined>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks));
      keys.add(request.headers.authorization);
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}/v1/traces`, bodies, keys, stop };
}

/** Nothing more happens by itself once what the last command has changed is kept. */
async function quiet(id: string): Promise<void> {
  let ended = false;
  for await (const event of followEvents(api, cluster.apiKey, id)) {
    if (event.type === 'command.ended') ended = true;
    if (event.type === 'command.queued') ended = false;
    if (!ended || event.type !== 'checkpoint.created') continue;
    const { lastCursor } = (await api.get(`/v1/sessions/${id}`)).body;
    if (lastCursor === event.cursor) return;
  }
}

async function worktrail(...args: string[]): Promise<string> {
  return await worktrailIn(cluster, ...args);
}

async function worktrailIn({ stateDirectory }: RunningTestCluster, ...args: string[]): Promise<string> {
  const env = { ...process.env, WORKTRAIL_HOME: stateDirectory, NO_COLOR: '1' };
  return (await execute(process.execPath, [program, ...args], { env })).stdout;
}

test('as lines of JSON it is the history as the API has it, with its checksum', async () => {
  const path = join(scratch.path, 'session.jsonl');
  const said = JSON.parse(await worktrail('export', sessionId, '-o', path, '--json'));
  const bytes = await readFile(path);
  expect(said).toEqual({ path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  const [header, ...lines] = bytes
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(header).toMatchObject({ format: 'worktrail.session/1', session: { id: sessionId, title: 'Look <b>' } });
  const { end } = lines.pop();
  const history = await readHistory(api, sessionId);
  expect(lines.map((line: any) => ({ ...line, message: undefined }))).toEqual(history);
  expect(end).toMatchObject({ events: history.length, cursor: history.at(-1)!.cursor });
  const half = history[Math.floor(history.length / 2)]!.cursor;
  const continuation = await fetch(`${cluster.apiUrl}/v1/sessions/${sessionId}/export?after=${half}`, {
    headers: { authorization: `Bearer ${cluster.apiKey}` },
  });
  const rest = (await continuation.text()).trimEnd().split('\n');
  expect(rest.length).toBe(history.length - Math.floor(history.length / 2));
  expect(bytes.toString()).toContain(rest.slice(0, -1).join('\n'));
});

test('as a transcript it tells what was said and done', async () => {
  const text = await worktrail('export', sessionId, '--format', 'markdown');
  expect(text).toMatch(/^# Look \\<b\\>\n/);
  expect(text).toContain('> look\n');
  expect(text).toContain('> # I have looked\n');
  expect(text).toContain('```text\n$ echo seen\nseen\n```\n\nexited with 0 after ');
  expect(text).toContain('\uFFFD\ndone\n```\n\nexited with 3 after ');
});

test('as a trajectory it is what the format says, as another implementation of it reads it', async () => {
  const path = join(scratch.path, 'session.json');
  await worktrail('export', sessionId, '--format', 'atif', '-o', path);
  const packages = join(scratch.path, 'python');
  await execute('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--target',
    packages,
    validator,
  ]);
  const script = `import sys; from nat.atif import Trajectory
t = Trajectory.model_validate_json(open(sys.argv[1]).read())
print(t.schema_version, len(t.steps), [(s.source, s.message) for s in t.steps if s.source != "system"])`;
  const { stdout } = await execute('python3', ['-c', script, path], { env: { ...process.env, PYTHONPATH: packages } });
  expect(stdout).toMatch(
    /^ATIF-v1\.7 \d+ \[\('user', 'look'\), \('agent', ''\), \('agent', '# I have looked'\), \('user', '\$ printf/,
  );
}, 180_000);

test('a collector of traces is told of turns, calls of models, tools and commands, as OpenTelemetry reads it', async () => {
  const packages = join(scratch.path, 'otlp');
  await execute('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--target',
    packages,
    otlpMessages,
  ]);
  const script = `import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
for path in sys.argv[1:]:
    print(json.dumps(MessageToDict(ExportTraceServiceRequest.FromString(open(path, "rb").read()))))`;
  const spans = async (): Promise<any[]> => {
    const files = await Promise.all(
      collector.bodies.map(async (body, index) => {
        const path = join(scratch.path, `${index}.otlp`);
        await writeFile(path, body);
        return path;
      }),
    );
    const env = { ...process.env, PYTHONPATH: packages };
    const { stdout } = await execute('python3', ['-c', script, ...files], { env });
    const requests = stdout
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    return requests.flatMap(({ resourceSpans }) => resourceSpans[0].scopeSpans[0].spans);
  };
  const names = async () => (await spans()).map(({ name }) => name).toSorted();
  await expect
    .poll(names, { timeout: 60_000, interval: 1_000 })
    .toEqual([
      ...['chat custom/raw', 'chat custom/raw', 'command', 'command', 'command', 'command'],
      ...['execute_tool list_files', 'execute_tool run_command', 'invoke_agent custom/raw'],
    ]);
  const all = await spans();
  expect(new Set(all.map(({ spanId }) => spanId)).size).toBe(all.length);
  const turn = all.find(({ name }) => name.startsWith('invoke_agent'));
  expect(all.filter(({ parentSpanId }) => parentSpanId === turn.spanId)).toHaveLength(5);
  for (const { startTimeUnixNano, endTimeUnixNano } of all) {
    expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
  }
  expect(JSON.stringify(all)).not.toContain('echo seen');
  expect([...collector.keys]).toEqual(['Bearer of the collector']);
}, 180_000);

test('in another cluster it gives the same answers once it is imported', async () => {
  const files = [forkId, sessionId].map((id) => join(scratch.path, `${id}.jsonl`));
  for (const [index, id] of [forkId, sessionId].entries()) await worktrail('export', id, '-o', files[index]!);
  const other = await startTestCluster('import');
  try {
    const there = createApi(other.apiUrl, other.apiKey);
    const repository = await makeRepository(join(other.repositoryRoot, 'import'), 1);
    const { id: projectId } = await there.make('/v1/projects', {
      name: 'import',
      repository: { url: repository.path },
    });

    // What is broken is named by its line, and makes no session.
    const lines = (await readFile(files[1]!, 'utf8')).split('\n');
    const changed = lines.map((line, index) =>
      index === 4 ? line.replace(/"type":"[a-z._]+"/, '"type":"usage"') : line,
    );
    await writeFile(join(scratch.path, 'broken.jsonl'), resummed(changed));
    await expect(worktrailIn(other, 'import', join(scratch.path, 'broken.jsonl'), '-p', 'import')).rejects.toThrow(
      /broken\.jsonl, line 5: type: is not what its message says/,
    );
    await writeFile(join(scratch.path, 'short.jsonl'), resummed(lines.toSpliced(6, 1)));
    await expect(worktrailIn(other, 'import', join(scratch.path, 'short.jsonl'), '-p', 'import')).rejects.toThrow(
      /short\.jsonl, line \d+: event \d+ of \S+ does not follow \d+: something before it is missing/,
    );
    await writeFile(join(scratch.path, 'cut.jsonl'), lines.slice(0, 9).join('\n'));
    await expect(worktrailIn(other, 'import', join(scratch.path, 'cut.jsonl'), '-p', 'import')).rejects.toThrow(
      'cut off',
    );
    expect((await there.get(`/v1/sessions/${sessionId}`)).status).toBe(404);
    expect((await there.get('/v1/sessions')).body.items).toEqual([]);

    for (const file of [files[0]!, files[1]!, files[0]!]) await worktrailIn(other, 'import', file, '-p', 'import');
    for (const id of [forkId, sessionId]) {
      const [before, after] = await Promise.all([readHistory(api, id), readHistory(there, id)]);
      const unplaced = (events: typeof before) => events.map((event) => ({ ...event, cursor: '' }));
      expect(unplaced(after)).toEqual(unplaced(before));
      const from = (await api.get(`/v1/sessions/${id}`)).body;
      const to = (await there.get(`/v1/sessions/${id}`)).body;
      for (const name of ['title', 'branch', 'baseCommit', 'headCommit', 'createdAt', 'labels']) {
        expect(to[name]).toEqual(from[name]);
      }
      expect(to).toMatchObject({ projectId, state: 'archived' });
      const { items: commands } = (await api.get(`/v1/sessions/${id}/commands`)).body;
      expect((await there.get(`/v1/sessions/${id}/commands`)).body.items).toEqual(commands);
      for (const command of commands) {
        const path = `/v1/sessions/${id}/commands/${command.id}/output`;
        expect(await bytesOf(other, path)).toEqual(await bytesOf(cluster, path));
      }
      const turns = `/v1/sessions/${id}/turns`;
      expect((await there.get(turns)).body.items).toEqual((await api.get(turns)).body.items);
    }
    const usage = '/v1/analytics/usage?groupBy=session';
    expect((await there.get(usage)).body).toEqual((await api.get(usage)).body);
    const sql = 'SELECT type, outcome, count() AS n, sum(bytes) AS b FROM events GROUP BY ALL ORDER BY ALL';
    expect(await there.make('/v1/query', { sql })).toEqual(await api.make('/v1/query', { sql }));

    const piece = (one: RunningTestCluster, key: string, project: string) =>
      fetch(`${one.apiUrl}/v1/projects/${project}/import`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: lines.slice(0, 2).join('\n') + '\n',
      });
    // Where it was lived it cannot be imported, in no organization: its workflow is known by its id alone.
    const [own] = (await api.get('/v1/projects')).body.items;
    expect((await piece(cluster, cluster.apiKey, own.id)).status).toBe(409);
    const operator = createApi(cluster.apiUrl, cluster.operatorToken);
    const made = await operator.make('/v1/organizations', { name: 'other', principal: { name: 'o', kind: 'user' } });
    const theirs = createApi(cluster.apiUrl, made.key.secret);
    const target = await theirs.make('/v1/projects', {
      name: 'theirs',
      repository: { url: 'https://example.com/x.git' },
    });
    const refused = await piece(cluster, made.key.secret, target.id);
    expect(await refused.json()).toMatchObject({
      status: 409,
      detail: expect.stringContaining('in this cluster already'),
    });
  } finally {
    await other.stop();
  }
}, 240_000);

async function bytesOf({ apiUrl, apiKey }: RunningTestCluster, path: string): Promise<Buffer> {
  const response = await fetch(apiUrl + path, { headers: { authorization: `Bearer ${apiKey}` } });
  expect(response.headers.get('x-output-complete')).toBe('true');
  return Buffer.from(await response.arrayBuffer());
}

/** With the checksum that its other lines have. */
function resummed(lines: string[]): string {
  const before = `${lines.slice(0, -2).join('\n')}\n`;
  const { end } = JSON.parse(lines.at(-2)!);
  return `${before}${JSON.stringify({ end: { ...end, sha256: createHash('sha256').update(before).digest('hex') } })}\n`;
}
