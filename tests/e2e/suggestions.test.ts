// Suggested tasks: a scan of a real small repository that has something of each kind, and hostile files among them. The model is scripted.

import { execFile } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, createApi, followEvents } from './api.ts';
import { makeRepository } from './repository.ts';
import { type RunningTestCluster, startTestCluster } from './test-cluster.ts';

const run = promisify(execFile);
let model: LLMock;
let cluster: RunningTestCluster;
let api: Api;
let upstream: string;
let projectId: string;

async function commit(files: Record<string, string | Buffer | null>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(upstream, path);
    if (content === null) await rm(file);
    else {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  }
  await git('add', '-A');
  await git('commit', '-qm', 'Change');
}

async function git(...args: string[]): Promise<string> {
  const as = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org'];
  return (await run('git', ['-C', upstream, ...as, ...args])).stdout.trim();
}

const long = `export function crawl() {\n${'  console.log(1);\n'.repeat(120)}}\n`;
const untested = `${'// what it does\n'.repeat(30)}export function shuffleDeck(cards) {\n  return cards;\n}\n`;
const suggestion = {
  title: 'Bound the \u001b[31mretries',
  description: 'They go on for ever.',
  path: 'lib/retry.ts',
  firstLine: 2,
  lastLine: 3,
};

beforeAll(async () => {
  model = new LLMock({ port: 0 });
  await model.start();
  model.on({ userMessage: 'tasks, the best first' }, {
    toolCalls: [
      {
        name: 'suggest_tasks',
        arguments: JSON.stringify({
          suggestions: [
            suggestion,
            { ...suggestion, title: 'Invented', path: 'lib/no-such-file.ts' },
            { ...suggestion, title: 'Beyond', firstLine: 900, lastLine: 901 },
            { title: 'No place' },
          ],
        }),
      },
    ],
  } as any);
  model.on({ userMessage: 'Bound the' }, { content: 'I will.' });
  model.on({ userMessage: 'do this first' }, { content: 'At once.' });
  cluster = await startTestCluster('suggestions', {
    ...process.env,
    WORKTRAIL_MODEL_URL: `${model.url}/v1`,
    WORKTRAIL_MODEL_DEFAULT: 'custom/scripted',
  });
  api = createApi(cluster.apiUrl, cluster.apiKey);
  upstream = (await makeRepository(join(cluster.repositoryRoot, 'suggested'), 3)).path;
  await symlink('/etc/passwd', join(upstream, 'TODO.md'));
  await commit({
    'lib/retry.ts': 'export function retry() {\n  // TODO: bound the number\n  //   of attempts\n  return 1;\n}\n',
    'lib/retry.test.ts': "import { retry } from './retry.ts';\nretry();\n",
    'lib/crawl.ts': long,
    'lib/shuffle.js': untested,
    'docs/guide.md': 'See [the parser](../lib/parser.ts), and [retry](../lib/retry.ts).\n',
    'check.sh': 'echo "lib/retry.ts:4: wrong"; printf "\\033[2J"; exit 3\n',
    'odd\nname.py': '# FIXME: a name of two lines\n',
    'evil.py': '# TODO: \u001b]0;owned\u0007clear \u001b[2Jthe screen \u202eback\n',
    'blob.bin': Buffer.from('# TODO: not text\0\n'),
    'huge.py': `# TODO: too large\n${'x = 1\n'.repeat(400_000)}`,
    'vendor/a.py': '# TODO: not ours\n',
  });
  const checks = ['sh check.sh', 'true'];
  const body = { name: 'suggested', repository: { url: upstream }, approval: { requiredChecks: checks } };
  projectId = (await api.make('/v1/projects', body)).id;
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

const list = async (query = '') => {
  const { status, body } = await api.get(`/v1/projects/${projectId}/suggestions${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const scan = async () => {
  let scanned = await api.make(`/v1/projects/${projectId}/suggestions?waitSeconds=280`);
  while (scanned.state === 'running') scanned = (await list('?waitSeconds=280')).scan;
  expect(scanned).toMatchObject({ state: 'completed', step: null, detail: null });
  return scanned;
};
const named = (items: any[], words: string) => items.find(({ title }: { title: string }) => title.includes(words));

test('a scan finds each kind with where it is, and nothing in what is no source', async () => {
  const head = await git('rev-parse', 'HEAD');
  const scanned = await scan();
  expect(scanned.commit).toBe(head);
  expect(scanned.kinds.toSorted()).toEqual(
    ['failing_check', 'large_function', 'missing_test', 'model', 'outdated_docs', 'todo'].toSorted(),
  );
  expect(scanned.notes).toEqual(['2 of 3 suggestions of the model named what is not there']);
  const { items, nextCursor } = await list('?limit=100');
  expect(nextCursor).toBeNull();
  expect(scanned.added).toBe(items.length);
  const blobOf = (path: string) => git('rev-parse', `HEAD:${path}`);
  const places = items.map(({ kind, evidence }: any) => [kind, evidence.map((one: any) => one.path).join()].join(' '));
  expect(places.toSorted()).toEqual([
    'failing_check lib/retry.ts',
    'large_function lib/crawl.ts',
    'missing_test lib/crawl.ts',
    'missing_test lib/shuffle.js',
    'model lib/retry.ts',
    'outdated_docs docs/guide.md',
    'todo evil.py',
    'todo lib/retry.ts',
    'todo odd\\x0aname.py',
  ]);
  expect(items[0]).toMatchObject({ kind: 'failing_check', title: 'The check "sh check.sh" exits with 3' });
  expect(items[0].output.text).toBe('lib/retry.ts:4: wrong\n');
  expect(items[0].evidence).toEqual([
    { path: 'lib/retry.ts', firstLine: 4, lastLine: 4, blobId: await blobOf('lib/retry.ts') },
  ]);
  expect(named(items, 'bound the number of attempts')).toMatchObject({
    evidence: [{ path: 'lib/retry.ts', firstLine: 2, lastLine: 3 }],
    state: 'open',
    commit: head,
  });
  expect(named(items, 'crawl has')).toMatchObject({ title: 'crawl has 122 lines' });
  expect(named(items, 'the screen').title).toBe('TODO: clear the screen back');
  expect(JSON.stringify(items)).not.toMatch(/\\u001b|\u202e|root:/);
});

test('what was dismissed or accepted does not come back; what is gone is resolved, and what has moved stays the same', async () => {
  const before = (await list('?limit=100')).items;
  const shuffled = named(before, 'shuffle.js');
  const { status, body } = await api.post(`/v1/suggestions/${shuffled.id}/dismiss`, { reason: 'a toy' });
  expect([status, body.state, body.reason]).toEqual([200, 'dismissed', 'a toy']);
  expect((await api.post(`/v1/suggestions/${shuffled.id}/dismiss`)).body.reason).toBe('a toy');

  const todo = named(before, 'bound the number');
  const [one, two] = await Promise.all([
    api.make(`/v1/suggestions/${todo.id}/accept`, { message: 'do this first' }),
    api.make(`/v1/suggestions/${todo.id}/accept`, { message: 'do this first' }),
  ]);
  expect([one.task.id, one.session.id, one.turnId]).toEqual([two.task.id, two.session.id, two.turnId]);
  expect(one.task).toMatchObject({ origin: 'suggested', title: todo.title, state: 'open' });
  expect(one.task.description).toContain('lib/retry.ts:2-3');
  expect(one.session).toMatchObject({ taskId: one.task.id, projectId });
  for await (const event of followEvents(api, cluster.apiKey, one.session.id)) if (event.type === 'turn.ended') break;
  const turns = (await api.get(`/v1/sessions/${one.session.id}/turns`)).body.items;
  expect(turns).toMatchObject([{ id: one.turnId, text: 'do this first', outcome: 'completed' }]);
  expect((await api.post(`/v1/suggestions/${todo.id}/dismiss`)).status).toBe(409);

  await commit({
    'docs/guide.md': 'See [retry](../lib/retry.ts).\n',
    'lib/retry.ts': `// moved\n\n${'export function retry() {\n  // TODO: bound the number\n  //   of attempts\n  return 1;\n}\n'}`,
    'evil.py': '\n\n# TODO: \u001b]0;owned\u0007clear \u001b[2Jthe screen \u202eback\n',
    'check.sh': 'exit 0\n',
  });
  // Upstream was asked a moment ago, and is again after 10 s.
  const head = await git('rev-parse', 'HEAD');
  await expect.poll(async () => (await scan()).commit, { interval: 1_000 }).toBe(head);
  const after = (await list('?limit=100')).items;
  const ids = (items: any[]) => items.map(({ id }: { id: string }) => id).toSorted();
  const gone = before.filter(
    ({ kind, id }: any) => kind === 'failing_check' || kind === 'outdated_docs' || id === todo.id || id === shuffled.id,
  );
  expect(ids(after)).toEqual(ids(before.filter((item: any) => !gone.includes(item))));
  expect(named(after, 'the screen').evidence[0].firstLine).toBe(3);
  expect((await list('?state=resolved')).items.map(({ kind }: any) => kind).toSorted()).toEqual([
    'failing_check',
    'outdated_docs',
  ]);
  expect((await list('?state=dismissed')).items).toMatchObject([{ id: shuffled.id }]);
  expect((await api.post(`/v1/suggestions/${(await list('?state=resolved')).items[0].id}/accept`)).body.code).toBe(
    'conflict',
  );
});

test('scans that are asked for together are one, and what cannot be asked is refused by name', async () => {
  const started = await Promise.all(
    Array.from({ length: 12 }, () => api.make(`/v1/projects/${projectId}/suggestions`)),
  );
  expect(new Set(started.map(({ startedAt }) => startedAt)).size).toBe(1);
  await scan();
  const refusal = async (path: string, body?: unknown) => {
    const answer = body === undefined ? await api.get(path) : await api.post(path, body);
    return [answer.status, answer.body.code, answer.body.errors?.[0]?.path].filter(Boolean);
  };
  const [{ id }] = (await list()).items;
  expect(await refusal(`/v1/projects/${projectId}/suggestions?state=new`)).toEqual([422, 'validation_failed', 'state']);
  expect(await refusal(`/v1/projects/${projectId}/suggestions?kind=typo`)).toEqual([422, 'validation_failed', 'kind']);
  expect(await refusal(`/v1/projects/${projectId}/suggestions?cursor=1`)).toEqual([400, 'cursor_invalid']);
  expect(await refusal(`/v1/suggestions/${id}/accept`, { message: '' })).toEqual([422, 'validation_failed', 'message']);
  expect(await refusal(`/v1/suggestions/${id}/dismiss`, { why: 'x' })).toEqual([422, 'validation_failed', 'why']);
  expect(await refusal(`/v1/suggestions/sug_${'0'.repeat(26)}/accept`, {})).toEqual([404, 'not_found']);
});
