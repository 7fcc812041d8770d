import { afterEach, describe, expect, test } from 'vitest';
import { answer, type Route, startCli, startTestApi, type TestApi } from './test-api.ts';

const servers: TestApi[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function setUp(route: Route) {
  const api = await startTestApi(route);
  servers.push(api);
  const env = { WORKTRAIL_API_URL: api.url, WORKTRAIL_API_KEY: 'k' };
  return { api, run: (...args: string[]) => startCli(args, env) };
}

const projectId = 'prj_01kagb3pyqe1bsnx50e4g66jdv';

describe('worktrail', () => {
  test('--help exits 0 and documents the exit codes', async () => {
    const cli = startCli(['--help'], {});
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString()).toMatch(/Examples:[\s\S]*Exit codes:[\s\S]*124 timed out/);
  });

  test.each([
    [['nonsense']],
    [['session', 'list', '--limit', 'many']],
    [['run', 'ses_1']],
    [['session', 'create', '--env', 'x']],
  ])('wrong usage exits 2: %j', async (args) => {
    const cli = startCli(args, { WORKTRAIL_API_URL: 'http://127.0.0.1:1' });
    expect(await cli.exitCode).toBe(2);
    expect(cli.stderr()).toContain('error:');
  });

  test('without a cluster exits 5 and says how to start one', async () => {
    const cli = startCli(['session', 'list'], {});
    expect(await cli.exitCode).toBe(5);
    expect(cli.stderr()).toContain('npm start');
  });

  test('with a cluster that does not answer exits 5 and says so', async () => {
    const cli = startCli(['session', 'show', 'ses_1'], { WORKTRAIL_API_URL: 'http://127.0.0.1:1' });
    expect(await cli.exitCode).toBe(5);
    expect(cli.stderr()).toMatch(/http:\/\/127.0.0.1:1 does not answer: .*\n.*Is the cluster running\?/);
  });

  test('a refusal names code, fields and what to do', async () => {
    const errors = [{ path: 'name', message: 'is too long' }];
    const { run } = await setUp((_, response) =>
      answer(response, 422, { code: 'validation_failed', title: 'The request is not valid', detail: 'name', errors }),
    );
    const cli = run('project', 'create', 'x', '--repository', 'https://git.example/x.git');
    expect(await cli.exitCode).toBe(1);
    expect(cli.stderr()).toBe('error: name (validation_failed)\n  name: is too long\n');
  });

  test('a refusal is one JSON document on stderr with --json', async () => {
    const { run } = await setUp((_, response) =>
      answer(response, 401, { code: 'unauthenticated', detail: 'wrong key' }),
    );
    const cli = run('session', 'list', '--json');
    expect(await cli.exitCode).toBe(4);
    expect(JSON.parse(cli.stderr()).error).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(cli.stdout().toString()).toBe('');
  });
});

describe('session', () => {
  const session = {
    id: 'ses_1',
    state: 'ready',
    title: 'try\u001b[2J it',
    branch: 'worktrail/try-it-12345678',
    labels: {},
    lastActiveAt: '2025-12-31T23:58:00.000Z',
  };

  test('create finds the project by name, waits, and prints the id alone', async () => {
    const { api, run } = await setUp(({ method, path }, response) => {
      if (path === '/v1/projects')
        return answer(response, 200, { items: [{ id: projectId, name: 'app' }], nextCursor: null });
      return method === 'POST' && answer(response, 201, session);
    });
    const cli = run('session', 'create', '-p', 'app', '--title', 'try it', '--label', 'team=a');
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString()).toBe('ses_1\n');
    const request = api.requests.at(-1)!;
    expect(request.path).toBe(`/v1/projects/${projectId}/sessions`);
    expect(request.url.searchParams.get('waitSeconds')).toBe('120');
    expect(JSON.parse(request.body.toString())).toEqual({ title: 'try it', labels: { team: 'a' } });
  });

  test('create exits 1 with the reason when the session failed', async () => {
    const failure = { code: 'setup_failed', detail: 'npm ci exited 1' };
    const { run } = await setUp((_, response) => answer(response, 201, { ...session, state: 'failed', failure }));
    const cli = run('session', 'create', '-p', projectId);
    expect(await cli.exitCode).toBe(1);
    expect(cli.stderr()).toContain('npm ci exited 1 (setup_failed)');
  });

  test('list is a table without control characters, or a document', async () => {
    const { run } = await setUp((_, response) => answer(response, 200, { items: [session], nextCursor: null }));
    const table = run('session', 'list');
    expect(await table.exitCode).toBe(0);
    expect(table.stdout().toString()).toBe(
      'SESSION  STATE  TITLE   BRANCH                     LAST ACTIVE\n' +
        'ses_1    ready  try it  worktrail/try-it-12345678  2 min ago\n',
    );
    const document = run('session', 'list', '--json');
    expect(await document.exitCode).toBe(0);
    expect(JSON.parse(document.stdout().toString())).toEqual({ items: [session] });
  });

  test('an unknown one exits 3', async () => {
    const { run } = await setUp(() => false);
    const cli = run('session', 'show', 'ses_2');
    expect(await cli.exitCode).toBe(3);
  });
});

describe('what is kept of a session', () => {
  const session = { id: 'ses_1', state: 'ready', labels: {}, queuePosition: null };
  const checkpoint = (number: number, more: object) => ({
    ...{ id: `chk_${number}`, number, commit: 'c'.repeat(40), tree: 't', cursor: `k-${number}`, filesChanged: 2 },
    ...{ createdAt: '2025-12-31T23:58:00.000Z', ...more },
  });

  test('hibernate puts each session to sleep and says so', async () => {
    const { api, run } = await setUp(({ path }, response) =>
      path === '/v1/sessions/ses_2/hibernate'
        ? answer(response, 202, { ...session, id: 'ses_2', state: 'hibernating' })
        : answer(response, 200, { ...session, state: 'hibernated' }),
    );
    const cli = run('session', 'hibernate', 'ses_1', 'ses_2');
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString()).toBe('ses_1  hibernated\nses_2  hibernating\n');
    expect(cli.stderr()).toBe('ses_2: storing its files goes on.\n');
    expect(api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/sessions/ses_1/hibernate',
      'POST /v1/sessions/ses_2/hibernate',
    ]);
  });

  test('fork prints the ids of the new sessions', async () => {
    const { api, run } = await setUp((_, response) =>
      answer(response, 201, { items: ['ses_2', 'ses_3'].map((id) => ({ ...session, id, state: 'hibernated' })) }),
    );
    const cli = run('fork', 'ses_1', '--checkpoint', 'chk_1', '--count', '2');
    expect([await cli.exitCode, cli.stdout().toString()]).toEqual([0, 'ses_2\nses_3\n']);
    const [{ path, body }] = api.requests as [(typeof api.requests)[0]];
    expect([path, JSON.parse(body.toString())]).toEqual([
      '/v1/sessions/ses_1/fork',
      { checkpointId: 'chk_1', count: 2 },
    ]);
    expect(await run('fork', 'ses_1', '--count', '17').exitCode).toBe(2);
  });

  test('update names the conflicts and exits 1, and is done where there are none', async () => {
    const commit = 'c'.repeat(40);
    const { run } = await setUp(({ body }, response) =>
      JSON.parse(body.toString()).method === 'rebase'
        ? answer(response, 200, { ...session, outcome: 'conflicts', commit, conflicts: ['a file', 'b'] })
        : answer(response, 200, { ...session, outcome: 'updated', commit, conflicts: [] }),
    );
    const merged = run('session', 'update', 'ses_1');
    expect([await merged.exitCode, merged.stdout().toString()]).toEqual([0, 'ses_1  updated  cccccccccccc\n']);
    const rebased = run('session', 'update', 'ses_1', '--rebase');
    expect(await rebased.exitCode).toBe(1);
    expect(rebased.stdout().toString()).toBe('ses_1  conflicts  cccccccccccc\nconflict  a file\nconflict  b\n');
    expect(rebased.stderr()).toContain('git rebase --continue');
  });

  test('a busy session is not put to sleep: exits 1 and says what to do', async () => {
    const { run } = await setUp((_, response) =>
      answer(response, 409, { code: 'session_busy', detail: 'cmd_1 is live' }),
    );
    const cli = run('session', 'hibernate', 'ses_1');
    expect(await cli.exitCode).toBe(1);
    expect(cli.stderr()).toMatch(/^error: cmd_1 is live \(session_busy\)\n {2}→ Wait for a command/);
  });

  test('resume waits until it is ready, and tells its place in the queue when it is not', async () => {
    const waiting = { ...session, state: 'resuming', queuePosition: 3 };
    const { api, run } = await setUp(({ url }, response) =>
      answer(response, 200, url.searchParams.get('waitSeconds') === '120' ? session : waiting),
    );
    const ready = run('session', 'resume', 'ses_1');
    expect([await ready.exitCode, ready.stdout().toString(), ready.stderr()]).toEqual([0, 'ses_1  ready\n', '']);
    const queued = run('session', 'resume', 'ses_1', '--wait', '7', '--json');
    expect(await queued.exitCode).toBe(0);
    expect(JSON.parse(queued.stdout().toString())).toEqual(waiting);
    expect(queued.stderr()).toContain('not ready after 7 s; commands wait for it. It waits for a place, as number 3.');
    expect(api.requests).toHaveLength(2);
  });

  test('checkpoint and checkpoint list are the same, shorter', async () => {
    const { api, run } = await setUp(({ method }, response) =>
      method === 'POST'
        ? answer(response, 201, checkpoint(1, {}))
        : answer(response, 200, { items: [checkpoint(1, {})], nextCursor: null }),
    );
    const made = run('checkpoint', 'ses_1', '-l', 'x');
    expect([await made.exitCode, made.stdout().toString()]).toEqual([0, 'chk_1\n']);
    const listed = run('checkpoint', 'list', 'ses_1');
    expect(await listed.exitCode).toBe(0);
    expect(listed.stdout().toString()).toContain('chk_1 ');
    expect(api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/sessions/ses_1/checkpoints',
      'GET /v1/sessions/ses_1/checkpoints',
    ]);
  });

  test('files put sends a local file, or stdin, as it is; files rm deletes one', async () => {
    const changed = { path: 'a b/x', status: 'added', additions: 1, deletions: 0, binary: false, etag: '"e"' };
    const { api, run } = await setUp(({ method }, response) =>
      method === 'PUT' ? answer(response, 201, changed) : answer(response, 204, undefined),
    );
    const put = run('files', 'put', 'ses_1', 'a b/x', '-x', '--create');
    put.stdin.end('one\0two');
    expect([await put.exitCode, put.stdout().toString()]).toEqual([0, 'a b/x  added\n']);
    const [sent] = api.requests;
    expect([sent!.method, sent!.url.pathname, sent!.url.search]).toEqual([
      'PUT',
      '/v1/sessions/ses_1/files/a%20b/x',
      '?executable=true',
    ]);
    expect([sent!.body.toString(), sent!.headers['if-none-match']]).toEqual(['one\0two', '*']);
    const removed = run('files', 'rm', 'ses_1', 'a b/x', '--if-match', '"e"');
    expect([await removed.exitCode, removed.stdout().toString()]).toEqual([0, 'a b/x  deleted\n']);
    expect(api.requests[1]!.headers['if-match']).toBe('"e"');
  });

  test('revert takes a checkpoint by its id or number, and says what it did not touch', async () => {
    const reverted = {
      ...checkpoint(4, {}),
      ...{ revertedTo: { id: 'chk_2', number: 2 }, exact: false },
      ...{ notTouched: ['ignored\u001b[2J'], notRestored: ['1 file over 100 MiB: x'], removed: [] },
    };
    const { api, run } = await setUp(({ method }, response) =>
      method === 'POST'
        ? answer(response, 200, reverted)
        : answer(response, 200, { items: [checkpoint(1, {}), checkpoint(2, {})], nextCursor: null }),
    );
    const cli = run('revert', 'ses_1', '2', '--force');
    expect([await cli.exitCode, cli.stdout().toString()]).toEqual([0, 'chk_4\n']);
    expect(JSON.parse(api.requests.at(-1)!.body.toString())).toEqual({ checkpointId: 'chk_2', force: true });
    expect(cli.stderr()).toContain('not restored: 1 file over 100 MiB: x\n');
    expect(cli.stderr()).toContain('Something has written to the work tree meanwhile.');
    expect(cli.stderr()).not.toContain('\u001b');
    expect(await run('revert', 'ses_1', '7').exitCode).toBe(3);
    expect(await run('revert', 'ses_1', 'chk_2').exitCode).toBe(0);
    expect(JSON.parse(api.requests.at(-1)!.body.toString())).toEqual({ checkpointId: 'chk_2' });
  });

  test('checkpoint prints the id alone; checkpoints are a table, or a document', async () => {
    const items = [checkpoint(1, {}), checkpoint(2, { label: 'before the change' })];
    const { api, run } = await setUp(({ method, url }, response) => {
      if (method === 'POST') return answer(response, 201, items[1]);
      const first = url.searchParams.get('cursor') === null;
      return answer(response, 200, { items: [items[first ? 0 : 1]], nextCursor: first ? 'next' : null });
    });
    const made = run('checkpoint', 'ses_1', '--label', 'before the change');
    expect([await made.exitCode, made.stdout().toString()]).toEqual([0, 'chk_2\n']);
    expect(JSON.parse(api.requests[0]!.body.toString())).toEqual({ label: 'before the change' });
    const table = run('checkpoint', 'list', 'ses_1');
    expect(await table.exitCode).toBe(0);
    expect(table.stdout().toString().split('\n').slice(0, 3)).toEqual([
      'CHECKPOINT  NUMBER  COMMIT        FILES  CREATED    CURSOR  LABEL',
      'chk_1            1  cccccccccccc      2  2 min ago  k-1     ',
      'chk_2            2  cccccccccccc      2  2 min ago  k-2     before the change',
    ]);
    const document = run('checkpoint', 'list', 'ses_1', '--json');
    expect(await document.exitCode).toBe(0);
    expect(JSON.parse(document.stdout().toString())).toEqual({ items });
  });
});

describe('runner and limits', () => {
  const runner = {
    ...{ id: 'run-1', version: '1', startedAt: '2025-12-31T23:58:00.000Z', labels: { zone: 'a' } },
    ...{
      slots: { total: 8, used: 3, memoryMb: { total: null, used: 0 } },
      sessions: 3,
      draining: true,
      unavailable: 'disk',
    },
  };

  test('list tells what keeps a runner from taking sessions', async () => {
    const slots = { total: 8, used: 3, memoryMb: { total: 4_096, used: 1_536 } };
    const ready = { ...runner, id: 'run-2', slots, draining: false, unavailable: null };
    const { run } = await setUp((_, response) => answer(response, 200, { items: [runner, ready], nextCursor: null }));
    const cli = run('runner', 'list');
    expect(await cli.exitCode).toBe(0);
    const lines = cli.stdout().toString().split('\n');
    expect(lines[1]).toMatch(/^run-1 {3}draining, lacks disk +3\/8 +3 +1 +2 min ago +zone=a$/);
    expect(lines[2]).toMatch(/^run-2 {3}ready +3\/8, 1536\/4096 MiB +3 /);
  });

  test('drain gives the order, --undo takes it back, and an unknown runner exits 3', async () => {
    const { api, run } = await setUp(({ path, body }, response) => {
      if (path !== '/v1/runners/run-1/drain') return false;
      const draining = JSON.parse(body.toString()).undo !== true;
      return answer(response, 200, { runnerId: 'run-1', draining, by: 'prn_1', at: '2026-01-01T00:00:00.000Z' });
    });
    const drained = run('runner', 'drain', 'run-1');
    expect([await drained.exitCode, drained.stdout().toString()]).toEqual([0, 'run-1  draining\n']);
    const undone = run('runner', 'drain', 'run-1', '--undo');
    expect([await undone.exitCode, undone.stdout().toString()]).toEqual([0, 'run-1  takes sessions\n']);
    expect(api.requests).toHaveLength(2);
    expect(await run('runner', 'drain', 'run-2').exitCode).toBe(3);
  });

  test('limits are a table of what is used and its maximum, or a document', async () => {
    const use = (used: number, max: number | null) => ({ used, max });
    const found = {
      ...{ liveSessions: use(4, 10), runningCommands: use(1, null), eventStreams: use(0, 1000) },
      ...{ waitingRequests: use(2, 1000), projectsLeftOut: 1 },
      projects: [{ projectId, liveSessions: use(4, 5), runningCommands: use(1, null) }],
    };
    const { api, run } = await setUp((_, response) => answer(response, 200, found));
    const table = run('limits', '-p', projectId);
    expect(await table.exitCode).toBe(0);
    expect(table.stdout().toString()).toContain('organization                    live sessions        4       10\n');
    expect(table.stdout().toString()).toContain(`${projectId}  running commands     1     none\n`);
    expect(table.stderr()).toContain('1 more projects were left out');
    expect(api.requests[0]!.url.searchParams.get('projectId')).toBe(projectId);
    const document = run('limits', '--json');
    expect(await document.exitCode).toBe(0);
    expect(JSON.parse(document.stdout().toString())).toEqual(found);
  });
});

describe('logs', () => {
  const actor = { kind: 'system', id: 'x' };
  const event = (cursor: string, type: string, data: object, commandId?: string) => ({
    cursor,
    type,
    data,
    commandId,
    actor,
    time: '2026-01-01T00:00:00.000Z',
  });
  const output = (cursor: string, stream: string, offset: number, text: string) =>
    event(cursor, 'command.output', { stream, offset, bytes: Buffer.from(text).toString('base64') }, 'cmd_1');
  const items = [
    event('1', 'session.ready', { branch: 'b' }),
    output('2', 'stdout', 0, 'one'),
    output('3', 'stderr', 0, 'oops'),
    output('4', 'stdout', 3, 'two'),
    event('5', 'command.ended', { outcome: 'exited', exitCode: 0, stdoutBytes: 6, stderrBytes: 4 }, 'cmd_1'),
  ];
  const history: Route = ({ path }, response) =>
    path.endsWith('/events') && answer(response, 200, { items, nextCursor: '5', complete: true });

  test('show the history as lines, output between them', async () => {
    const { run } = await setUp(history);
    const cli = run('logs', 'ses_1');
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString()).toBe(
      '00:00:00.000  session.ready  b\noneoopstwo\n00:00:00.000  command.ended  exited 0\n',
    );
  });

  test("show one command's streams apart, byte for byte, and follow it to its end without doubling a byte", async () => {
    const stored = { stdout: 'one', stderr: 'oops' };
    const { api, run } = await setUp(({ path, url, headers }, response) => {
      if (path === '/v1/sessions/ses_1') return answer(response, 200, { lastCursor: '1' });
      if (path.endsWith('/cmd_1')) return answer(response, 200, { state: 'running' });
      if (path.endsWith('/output')) {
        const text = stored[url.searchParams.get('stream') as 'stdout'].slice(
          Number(url.searchParams.get('offset') ?? 0),
        );
        response.setHeader('x-next-offset', text.length).setHeader('x-output-complete', 'false').end(text);
        return true;
      }
      const frames = headers['last-event-id'] === '1' ? items.slice(1) : items;
      const text = frames.map((item) => `id: ${item.cursor}\ndata: ${JSON.stringify(item)}\n\n`).join('');
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text);
      return true;
    });
    const once = run('logs', 'ses_1', '--command', 'cmd_1');
    expect(await once.exitCode).toBe(0);
    expect([once.stdout().toString(), once.stderr()]).toEqual(['one', 'oops']);
    expect(api.requests.some(({ path }) => path.endsWith('/events'))).toBe(false);
    const followed = run('logs', 'ses_1', '-f', '--command', 'cmd_1');
    expect(await followed.exitCode).toBe(0);
    expect([followed.stdout().toString(), followed.stderr()]).toEqual(['onetwo', 'oops']);
  });

  test('are JSON lines with --json, asked for by cursor and types', async () => {
    const { api, run } = await setUp(history);
    const cli = run('logs', 'ses_1', '--json', '--after', 'abc', '--types', 'session.ready, gap');
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout().toString().trim().split('\n')).toHaveLength(5);
    expect(api.requests[0]!.url.searchParams.get('after')).toBe('abc');
    expect(api.requests[0]!.url.searchParams.get('types')).toBe('session.ready,gap');
  });
});

describe('trial', () => {
  const attempt = { sessionId: 'ses_1', title: 'a', verdict: null, reason: null, startedAt: null, endedAt: null };
  const usage = { tokens: 0, costUsd: 0 };
  const trial = { id: 'trl_1', state: 'running', usage, createdAt: '2026-01-01T00:00:00.000Z', endedAt: null };

  test('run makes task and trial, shows what happens, and exits 0 when an attempt passed', async () => {
    let reads = 0;
    const { api, run } = await setUp(({ method, path }, response) => {
      if (path.endsWith('/tasks')) return answer(response, 201, { id: 'tsk_1' });
      if (method === 'POST') return answer(response, 201, { ...trial, sessions: [{ ...attempt, state: 'pending' }] });
      if (path === '/v1/trials/trl_1') {
        const ended = { ...trial, state: 'completed', sessions: [{ ...attempt, state: 'ended', verdict: 'passed' }] };
        return answer(
          response,
          200,
          reads++ === 0 ? { ...trial, sessions: [{ ...attempt, state: 'running' }] } : ended,
        );
      }
      const data = { stream: 'stdout', offset: 0, bytes: Buffer.from('line 1\nline 2').toString('base64') };
      const item = { cursor: '1', type: 'command.output', sessionId: 'ses_1', data };
      return answer(response, 200, { items: [item], nextCursor: '1', complete: true });
    });
    const cli = run(
      'trial',
      'run',
      '-p',
      projectId,
      '--title',
      't',
      '--attempt',
      'a && b',
      '--attempt',
      'c',
      '--verify',
      'v',
    );
    expect(await cli.exitCode).toBe(0);
    const created = api.requests.find(({ method, path }) => method === 'POST' && path === '/v1/tasks/tsk_1/trials')!;
    expect(JSON.parse(created.body.toString())).toEqual({
      attempts: [
        { title: 'a && b', commands: ['a && b'] },
        { title: 'c', commands: ['c'] },
      ],
      verify: ['v'],
    });
    expect(cli.stdout().toString()).toContain('│ line 1\n');
    expect(cli.stdout().toString()).toContain('trial trl_1: completed, 1 of 1 passed');
  });
});
