// P3: a session that sleeps costs no place and no container, and comes back exactly as it was left.

import { join } from 'node:path';
import Docker from 'dockerode';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, followEvents, hibernate, type PublicEvent, readHistory } from './api.ts';
import { makeRepository } from './repository.ts';

const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
const docker = new Docker({ socketPath: inject('dockerSocket') });
let repositoryPath: string;
let projectId: string;

beforeAll(async () => {
  repositoryPath = (await makeRepository(join(inject('repositoryRoot'), 'hibernate'), 20)).path;
  projectId = (await api.make('/v1/projects', { name: 'hibernate', repository: { url: repositoryPath } })).id;
});

const newSession = (fields = {}, ofProject = projectId) =>
  api.make(`/v1/projects/${ofProject}/sessions?waitSeconds=280`, { title: 'Sleeper', ...fields });

const run = (sessionId: string, command: string, fields = {}) =>
  api.make(`/v1/sessions/${sessionId}/commands?waitSeconds=280`, { command, stdin: '', ...fields });

const post = (sessionId: string, what: string, body = {}) => api.post(`/v1/sessions/${sessionId}/${what}`, body);

const containersOf = (sessionId: string) =>
  docker.listContainers({ all: true, filters: { label: [`worktrail.session=${sessionId}`] } });

/** Kind, mode, name, target and content of all files, what git says about them, and the home directory. */
const everything = [
  String.raw`find . -path ./.git -prune -o -printf '%y %m %p %l\n' | sort`,
  String.raw`find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum`,
  'git status --porcelain --ignored; git branch --show-current; git rev-parse HEAD; git stash list',
  'cat ~/notes',
].join('; ');

const makeFiles = [
  'mkdir -p sub "a dir"',
  'echo stashed > stashed && git add stashed && git stash -q',
  'echo committed > committed && git add committed && git commit -qm "In the session"',
  'echo changed >> README.md',
  'echo staged > staged && git add staged',
  'echo untracked > "a dir/new\nline"',
  'printf "#!/bin/sh\\necho ran\\n" > tool && chmod 755 tool && echo private > private && chmod 600 private',
  'ln -s tool link && head -c 300000 /dev/urandom > binary',
  'echo "*.log" > .gitignore && echo ignored > build.log',
  'echo at home > ~/notes',
].join(' && ');

test('a hibernated session has no container, and its next command finds files, modes, branch, home and environment as they were', async () => {
  const session = await newSession({ env: { GREETING: 'hello' } });
  expect(await run(session.id, makeFiles)).toMatchObject({ exitCode: 0 });
  const before = await run(session.id, everything);
  expect(before).toMatchObject({ exitCode: 0, output: { truncated: false } });
  const history = await readHistory(api, session.id);

  await hibernate(api, session.id);
  expect(await containersOf(session.id)).toEqual([]);
  expect(await post(session.id, 'hibernate')).toMatchObject({ status: 200, body: { state: 'hibernated' } });
  const asleep = await readHistory(api, session.id);
  expect(asleep.slice(0, history.length)).toEqual(history);
  expect(asleep.at(-1)).toMatchObject({ type: 'session.hibernated', data: { reason: 'requested' } });

  const after = await run(session.id, everything);
  expect(after.output.text).toBe(before.output.text);
  const there = await run(session.id, 'echo "$GREETING from $(basename "$PWD")"; ../link', { cwd: 'sub' });
  expect(there.output.text).toBe('hello from sub\nran\n');
  // A command's end is told as it passes; the session hears of it a moment later.
  const shown = async () => (await api.get(`/v1/sessions/${session.id}`)).body;
  await expect.poll(shown).toMatchObject({ state: 'ready', queuePosition: null });
  const whole = await readHistory(api, session.id);
  expect(whole.slice(0, asleep.length)).toEqual(asleep);
  // Told by two producers: what came first is told by its time.
  const [resumed, started] = ['session.resumed', 'command.started'].map((type) =>
    Date.parse(whole.slice(asleep.length).find((event) => event.type === type)!.time),
  );
  expect(resumed).toBeLessThanOrEqual(started!);
});

test('a session is resumed by request, by whoever asks first, and is ready when the answer says so', async () => {
  const session = await newSession();
  await hibernate(api, session.id);
  const answers = await Promise.all([1, 2, 3].map(() => post(session.id, 'resume?waitSeconds=280')));
  for (const { status, body } of answers) expect([status, body.state]).toEqual([200, 'ready']);
  const events = await readHistory(api, session.id);
  expect(events.filter(({ type }) => type === 'session.resumed')).toHaveLength(1);
});

test('a session with a running command is not hibernated, and the command goes on', async () => {
  const session = await newSession();
  const running = await api.make(`/v1/sessions/${session.id}/commands`, { command: 'sleep 600; echo', stdin: '' });
  for await (const event of followEvents(api, key, session.id)) if (event.type === 'command.started') break;
  const refused = await post(session.id, 'hibernate');
  expect(refused).toMatchObject({ status: 409, body: { code: 'session_busy' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const path = `/v1/sessions/${session.id}/commands/${running.id}`;
  expect((await api.get(path)).body.state).toBe('running');
  await api.post(`${path}/cancel`);
  await expect.poll(async () => (await api.get(path)).body.outcome).toBe('canceled');
  await hibernate(api, session.id);
});

test('checkpoints are listed with the cursor of their event: what led to them is before it, what came later after it', async () => {
  const session = await newSession();
  const path = `/v1/sessions/${session.id}/checkpoints`;
  await run(session.id, 'echo one > file');
  const first = await api.make(path, { label: 'one' });
  const between = await run(session.id, 'echo two > file');
  const second = await api.make(path, { label: 'two' });
  expect(second.tree).not.toBe(first.tree);
  const { items, nextCursor } = (await api.get(path)).body;
  expect(nextCursor).toBeNull();
  expect(items.filter(({ label }: any) => label)).toEqual([first, second]);
  const numbers = items.map(({ number }: any) => number);
  expect(numbers).toEqual(Array.from(numbers, (_, index) => index + 1));
  const history = await readHistory(api, session.id);
  const at = (cursor: string) => history.findIndex((event) => event.cursor === cursor);
  expect(history[at(second.cursor)]).toMatchObject({
    type: 'checkpoint.created',
    data: { checkpointId: second.id, label: 'two' },
  });
  const isBetween = (event: PublicEvent) => event.commandId === between.id && event.type === 'command.started';
  expect(history.findIndex(isBetween)).toBeGreaterThan(at(first.cursor));
  expect(history.findIndex(isBetween)).toBeLessThan(at(second.cursor));
});

test('a session that is left alone is hibernated after the time its project says, and comes back for the next command', async () => {
  const project = await api.make('/v1/projects', {
    name: 'idle',
    repository: { url: repositoryPath },
    hibernateAfterSeconds: 2,
  });
  const session = await newSession({}, project.id);
  await run(session.id, 'echo kept > file; sleep 4');
  const ended = (await readHistory(api, session.id)).findLast(({ type }) => type === 'command.ended')!;
  const query = 'types=session.hibernated&waitSeconds=280';
  const page = await api.get(`/v1/sessions/${session.id}/events?after=${ended.cursor}&${query}`);
  expect(page.body.items).toMatchObject([{ data: { reason: 'idle' } }]);
  const [asleep] = page.body.items as PublicEvent[];
  expect(Date.parse(asleep!.time) - Date.parse(ended.time)).toBeGreaterThanOrEqual(1_900);
  expect((await run(session.id, 'cat file')).output.text).toBe('kept\n');
});
