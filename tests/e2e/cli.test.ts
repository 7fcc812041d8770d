import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { beforeAll, expect, inject, test } from 'vitest';
import { createApi } from './api.ts';
import { makeRepository } from './repository.ts';

const api = createApi(inject('apiUrl'), inject('apiKey'));
const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
let projectId: string;
let sessionId: string;

beforeAll(async () => {
  const repository = await makeRepository(join(inject('repositoryRoot'), 'cli'), 5);
  projectId = (await api.make('/v1/projects', { name: 'cli', repository: { url: repository.path } })).id;
  sessionId = (await worktrail('session', 'create', '--project', projectId, '--title', 'From the CLI')).stdout.trim();
});

async function worktrail(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return await worktrailWith('', ...args);
}

async function worktrailWith(input: string, ...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, WORKTRAIL_HOME: inject('stateDirectory'), NO_COLOR: '1' },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: code as number, ...output };
}

test('run passes output, streams and exit code through', async () => {
  const result = await worktrail('run', sessionId, '--', 'echo out; echo err >&2; exit 7');
  expect(result).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' });
});

test('run hands piped input to the command', async () => {
  expect(await worktrailWith('piped\n', 'run', sessionId, '--', 'tr a-z A-Z')).toMatchObject({
    code: 0,
    stdout: 'PIPED\n',
  });
});

test('logs tell what the session did', async () => {
  const { code, stdout } = await worktrail('logs', sessionId, '--json');
  expect(code).toBe(0);
  const types = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).type);
  expect(types[0]).toBe('session.created');
  expect(types).toContain('command.ended');
});

test('diff shows what has changed, files what is there, and files get its bytes', async () => {
  await worktrail('run', sessionId, '--', 'echo new > new; mkdir d; printf "\\000\\377" > d/bytes');
  const table = await worktrail('diff', sessionId);
  expect(table).toMatchObject({ code: 0, stderr: '2 files changed, 1 additions, 0 deletions\n' });
  expect(table.stdout).toMatch(/^STATUS .*\nadded +binary +d\/bytes\nadded +1 +0 +new\n$/);
  expect((await worktrail('diff', sessionId, '--patch')).stdout).toContain('+++ b/new\n@@ -0,0 +1 @@\n+new\n');
  expect((await worktrail('files', sessionId)).stdout).toMatch(/directory +d\/\nfile +4 B +new\n/);
  expect(await worktrail('files', 'get', sessionId, 'new')).toEqual({ code: 0, stdout: 'new\n', stderr: '' });
  expect((await worktrail('files', 'get', sessionId, 'nope')).code).toBe(3);
});

test('a trial is run, followed and judged', async () => {
  const args = ['--project', projectId, '--title', 'By the CLI', '--attempt', 'echo one', '--attempt', 'false'];
  const { stdout } = await worktrail('trial', 'run', ...args);
  expect(stdout).toContain('passed');
  expect(stdout).toContain('failed');
});

test('status names every part, config what is in force, and no secret', async () => {
  const status = await worktrail('status', '--json');
  expect(status.code).toBe(0);
  for (const part of ['nats', 'temporal', 'trace-store', 'orchestrator', 'sandbox-runner']) {
    expect(status.stdout).toContain(part);
  }
  const config = await worktrail('config', '--json');
  expect(JSON.parse(config.stdout).operator.defaults.memoryMb).toBe(2_048);
  expect(config.stdout + status.stdout).not.toContain(inject('apiKey').slice(-40));
});

test('a mistake is named with its exit code', async () => {
  expect((await worktrail('session', 'show', 'ses_01h455vb4pex5vsknk084sn02q')).code).toBe(3);
  expect((await worktrail('no-such-command')).code).toBe(2);
});
