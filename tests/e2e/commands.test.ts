import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi, followEvents } from './api.ts';
import { makeRepository } from './repository.ts';

const key = inject('apiKey');
const api = createApi(inject('apiUrl'), key);
let sessionId: string;

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'commands'), 10);
  const project = await api.make('/v1/projects', {
    name: 'commands',
    repository: { url: repository.path },
    environment: { env: { GREETING: 'hello' } },
  });
  sessionId = (await api.make(`/v1/projects/${project.id}/sessions?waitSeconds=280`, { title: 'Commands' })).id;
});

const start = (body: object, waitSeconds?: number) =>
  api.post(`/v1/sessions/${sessionId}/commands${waitSeconds === undefined ? '' : `?waitSeconds=${waitSeconds}`}`, body);

async function ended(commandId: string): Promise<any> {
  for await (const event of followEvents(api, key, sessionId)) {
    if (event.type === 'command.ended' && event.commandId === commandId) break;
  }
  return (await api.get(`/v1/sessions/${sessionId}/commands/${commandId}`)).body;
}

async function started(commandId: string): Promise<void> {
  for await (const event of followEvents(api, key, sessionId)) {
    if (event.type === 'command.started' && event.commandId === commandId) return;
  }
}

test('a waited command answers 200 with its output in order, exit code and byte counts', async () => {
  const answer = await start({ command: 'echo out; echo err >&2; exit 3', stdin: '' }, 280);
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    sessionId,
    state: 'ended',
    outcome: 'exited',
    exitCode: 3,
    stdoutBytes: 4,
    stderrBytes: 4,
    output: { text: expect.stringMatching(/^(out\nerr\n|err\nout\n)$/), truncated: false },
  });
});

test('a command that outlives the wait answers 202 and ends later', async () => {
  const answer = await start({ command: 'sleep 2; echo late', stdin: '' }, 0);
  expect(answer.status).toBe(202);
  expect(['queued', 'running']).toContain(answer.body.state);
  expect(await ended(answer.body.id)).toMatchObject({ state: 'ended', outcome: 'exited', exitCode: 0 });
});

test('a failing command is no failing request', async () => {
  const missing = await start({ command: 'no-such-program', stdin: '' }, 280);
  expect(missing.body).toMatchObject({ outcome: 'exited', exitCode: 127 });
  const nowhere = await start({ command: 'pwd', cwd: 'no/such/directory', stdin: '' }, 280);
  expect(nowhere.body).toMatchObject({ outcome: 'failed_to_start', exitCode: null });
  expect(nowhere.body.reason).toContain('no/such/directory');
});

test('environment and working directory reach the command', async () => {
  const answer = await start(
    { command: 'echo "$GREETING $NAME"; pwd', cwd: 'src', env: { NAME: 'you' }, stdin: '' },
    280,
  );
  expect(answer.body.output.text).toBe('hello you\n/workspace/src\n');
});

test('stdin written later reaches the command, in order, until it is closed', async () => {
  const command = (await start({ command: 'sha256sum' })).body;
  await started(command.id);
  const path = `/v1/sessions/${sessionId}/commands/${command.id}/stdin`;
  expect((await api.request('POST', path, Buffer.from('hello '))).status).toBeLessThan(300);
  expect((await api.request('POST', `${path}?close=true`, Buffer.from('world'))).status).toBeLessThan(300);
  expect(await ended(command.id)).toMatchObject({ outcome: 'exited', exitCode: 0 });
  const { bytes } = await api.bytes(`/v1/sessions/${sessionId}/commands/${command.id}/output?stream=stdout`);
  expect(bytes.toString()).toMatch(/^b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9/);
  const late = await api.request('POST', path, Buffer.from('x'));
  expect([late.status, late.body.code]).toEqual([409, 'command_ended']);
});

test('inline stdin is given and closed', async () => {
  const answer = await start({ command: 'cat', stdin: 'inline' }, 280);
  expect(answer.body.output.text).toBe('inline');
});

test('a signal ends a command as signaled, and a trap may answer it', async () => {
  const command = (await start({ command: 'sleep 600', stdin: '' })).body;
  await started(command.id);
  expect(
    (await api.post(`/v1/sessions/${sessionId}/commands/${command.id}/signal`, { signal: 'KILL' })).status,
  ).toBeLessThan(300);
  expect(await ended(command.id)).toMatchObject({ outcome: 'signaled', exitCode: null, signal: 'SIGKILL' });
  const trap = (
    await start({ command: 'trap "echo caught; exit 7" INT; echo set; while :; do sleep 0.05; done', stdin: '' })
  ).body;
  for await (const event of followEvents(api, key, sessionId)) {
    if (event.commandId === trap.id && event.type === 'command.output') break;
  }
  await api.post(`/v1/sessions/${sessionId}/commands/${trap.id}/signal`, { signal: 'INT' });
  expect(await ended(trap.id)).toMatchObject({ outcome: 'exited', exitCode: 7 });
});

test('a timeout ends the command and its children as timed_out', async () => {
  const answer = await start({ command: 'sleep 900 & sleep 900', timeoutSeconds: 1, stdin: '' }, 280);
  expect(answer.body).toMatchObject({ state: 'ended', outcome: 'timed_out' });
  const left = await start({ command: 'ps -eo args | grep -c "^sleep 900" || true', stdin: '' }, 280);
  expect(left.body.output.text).toBe('0\n');
});

test('cancel ends a command that ignores TERM, as canceled', async () => {
  const command = (await start({ command: 'trap "" TERM; while :; do sleep 0.1; done', stdin: '' })).body;
  await started(command.id);
  const answer = await api.post(`/v1/sessions/${sessionId}/commands/${command.id}/cancel`);
  expect(answer.status).toBeLessThan(300);
  expect(await ended(command.id)).toMatchObject({ outcome: 'canceled' });
});

test('commands run in order unless they are in the background', async () => {
  const background = (await start({ command: 'sleep 600; echo never', background: true, stdin: '' })).body;
  const first = (await start({ command: 'sleep 0.5; echo first >> order', stdin: '' })).body;
  const second = (await start({ command: 'echo second >> order; cat order', stdin: '' }, 280)).body;
  expect(second.output.text).toBe('first\nsecond\n');
  const all = await api.get(`/v1/sessions/${sessionId}/commands?limit=200`);
  const stateOf = (id: string) => all.body.items.find((command: { id: string }) => command.id === id)?.state;
  expect([stateOf(background.id), stateOf(first.id), stateOf(second.id)]).toEqual(['running', 'ended', 'ended']);
  await api.post(`/v1/sessions/${sessionId}/commands/${background.id}/cancel`);
  expect(await ended(background.id)).toMatchObject({ outcome: 'canceled' });
});

test('a queued command that is canceled never runs and ends once', async () => {
  const blocker = (await start({ command: 'sleep 600', stdin: '' })).body;
  const queued = (await start({ command: 'touch should-not-exist', stdin: '' })).body;
  await api.post(`/v1/sessions/${sessionId}/commands/${queued.id}/cancel`);
  expect(await ended(queued.id)).toMatchObject({ outcome: 'canceled', startedAt: null });
  await api.post(`/v1/sessions/${sessionId}/commands/${blocker.id}/cancel`);
  await ended(blocker.id);
  expect((await start({ command: 'ls should-not-exist', stdin: '' }, 280)).body.exitCode).toBe(2);
});

test('the same idempotency key runs a command once, with another body it is refused', async () => {
  const headers = { 'idempotency-key': 'only-once' };
  const body = { command: 'echo x >> once; wc -l < once', stdin: '' };
  const path = `/v1/sessions/${sessionId}/commands?waitSeconds=280`;
  const first = await api.post(path, body, headers);
  const again = await api.post(path, body, headers);
  expect([again.status, again.body.id]).toEqual([first.status, first.body.id]);
  const other = await api.post(path, { ...body, command: 'echo y' }, headers);
  expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  expect((await start({ command: 'wc -l < once', stdin: '' }, 280)).body.output.text.trim()).toBe('1');
});

test('output is read by offset, of each stream and of both in the order it was written', async () => {
  const command = (
    await start(
      {
        command: 'for i in 1 2 3; do echo o$i; sleep 0.02; echo e$i >&2; sleep 0.02; done; printf "\\377\\000"',
        stdin: '',
      },
      280,
    )
  ).body;
  const path = `/v1/sessions/${sessionId}/commands/${command.id}/output`;
  const both = await api.bytes(`${path}?stream=both`);
  expect(both.bytes.toString('latin1')).toBe('o1\ne1\no2\ne2\no3\ne3\n\u00ff\u0000');
  expect(both.headers.get('x-next-offset')).toBe('20');
  expect(both.headers.get('x-output-complete')).toBe('true');
  const part = await api.bytes(`${path}?stream=stderr&offset=3&limit=3`);
  expect([part.bytes.toString(), part.headers.get('x-next-offset'), part.headers.get('x-output-complete')]).toEqual([
    'e2\n',
    '6',
    'false',
  ]);
  const atEnd = await api.bytes(`${path}?stream=stderr&offset=9`);
  expect([atEnd.status, atEnd.bytes.length]).toEqual([200, 0]);
});

test('the sandbox is closed: no network, no privileges, no way to the journal, a read-only root', async () => {
  const probe = async (command: string) => (await start({ command, stdin: '' }, 280)).body;
  expect(
    (await probe('id -u; id -G; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status')).output.text,
  ).toBe('1000\n1000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n');
  expect((await probe('ls /worktrail/run')).exitCode).not.toBe(0);
  expect((await probe('touch /usr/x')).exitCode).not.toBe(0);
  expect((await probe('kill -9 1')).exitCode).not.toBe(0);
  expect((await probe('ls /sys/class/net')).output.text).toBe('lo\n');
  expect((await probe('ls /var/run/docker.sock /run/docker.sock')).exitCode).not.toBe(0);
  expect((await probe('touch /workspace/x ~/x /tmp/x && echo ok')).output.text).toBe('ok\n');
});
