import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identifyProcess, isAlive, type ProcessIdentity, signalQuietly } from './process-identity.ts';
import { createSupervisedProcess, type ProcessSpec } from './supervised-process.ts';
import { waitUntil } from './wait-until.ts';

let directory: string;
const spawned: ProcessIdentity[] = [];
const notes: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp('/tmp/wt-supervised-');
  spawned.length = 0;
  notes.length = 0;
});

afterEach(async () => {
  for (const { pid } of spawned) signalQuietly(pid, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** Ready once it has written its pid; each start writes its own. */
function spec(changes: Partial<ProcessSpec> = {}): ProcessSpec {
  const pidPath = join(directory, 'pid');
  return {
    name: 'nats',
    program: 'sh',
    args: ['-c', `echo $$ > ${pidPath}; exec sleep 600`],
    env: process.env,
    cwd: directory,
    logPath: join(directory, 'log'),
    isReady: async () => existsSync(pidPath),
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 2_000,
    prepare: () => rm(pidPath, { force: true }),
    ...changes,
  };
}

function supervise(own: ProcessSpec, onSpawn: () => Promise<void> = async () => undefined) {
  const report = (event: { title: string }) => void notes.push(event.title);
  return createSupervisedProcess(own, report, async (_, identity) => {
    spawned.push(identity);
    await onSpawn();
  });
}

const noted = (part: string) =>
  waitUntil(async () => notes.some((note) => note.includes(part)), { what: `a note of "${part}"`, timeoutMs: 60_000 });

test('a start that cannot be recorded is ended and tried again', async () => {
  let failures = 0;
  const supervised = supervise(spec(), async () => {
    if (++failures <= 1) throw new Error('no space left');
  });
  await supervised.start();
  expect(notes).toEqual([expect.stringContaining('no space left')]);
  expect(await isAlive(spawned[0] as ProcessIdentity)).toBe(false);
  expect(supervised.pid()).toBe(spawned[1]?.pid);
  await supervised.stop(2_000);
});

test('a restart that cannot be recorded or logged is no end of it', async () => {
  let refuse = false;
  const supervised = supervise(spec(), async () => {
    if (refuse) throw new Error('no space left');
  });
  await supervised.start();
  refuse = true;
  supervised.kill('SIGKILL');
  await noted('no space left');
  refuse = false;
  await supervised.whenReady();
  expect(await identifyProcess(supervised.pid() ?? 0)).toEqual(spawned.at(-1));
  await supervised.stop(2_000);
  for (const identity of spawned) expect(await isAlive(identity)).toBe(false);
});

test('a stop while it is being started leaves nothing behind', async () => {
  const supervised: ReturnType<typeof supervise> = supervise(spec(), async () => {
    void supervised.stop(0);
  });
  await expect(supervised.start()).rejects.toThrow('was stopped');
  await supervised.stop(0);
  expect(spawned).toHaveLength(1);
  expect(await isAlive(spawned[0] as ProcessIdentity)).toBe(false);
});

test('one that never starts is an error with the end of its log', async () => {
  const supervised = supervise(spec({ args: ['-c', 'echo the reason; exit 3'], isReady: async () => false }));
  await expect(supervised.start()).rejects.toThrow(/did not start \(exit code 3\)[^]*the reason/);
  expect(await readFile(join(directory, 'log'), 'utf8')).toBe('the reason\n'.repeat(3));
});

test('a program or a log that is not there is told by its reason', async () => {
  const noProgram = supervise(spec({ program: '/nowhere' })).start();
  await expect(noProgram).rejects.toThrow(/did not start \(exit code 127\)[^]*\/nowhere: not found/);
  const noLog = supervise(spec({ logPath: join(directory, 'nowhere', 'log') }));
  await expect(noLog.start()).rejects.toThrow(/did not start \(.*ENOENT/);
});

test('where its supervisor is killed between starting and recording it, the program never runs and nothing is left', async () => {
  const script = join(import.meta.dirname, '../test/die-before-recording.ts');
  const supervisor = spawn(process.execPath, [script, directory], { stdio: 'inherit' });
  const [, signal] = await once(supervisor, 'exit');
  expect(signal).toBe('SIGKILL');
  const orphan = JSON.parse(await readFile(join(directory, 'spawned'), 'utf8')) as ProcessIdentity;
  spawned.push(orphan);
  await waitUntil(async () => !(await isAlive(orphan)), { what: 'the orphan to end', timeoutMs: 60_000 });
  expect(existsSync(join(directory, 'ran'))).toBe(false);
});

test('one that hangs and cannot be asked any more is stopped in time, also while it is being started', async () => {
  const neverReady = supervise(spec({ isReady: () => new Promise(() => undefined) }));
  const starting = neverReady.start();
  starting.catch(() => undefined);
  const isSpawned = async () => spawned.length > 0 && existsSync(join(directory, 'pid'));
  await waitUntil(isSpawned, { what: 'it to be spawned', timeoutMs: 60_000 });
  neverReady.kill('SIGSTOP');
  await neverReady.stop(200);
  await expect(starting).rejects.toThrow('was stopped');
  expect(await isAlive(spawned[0] as ProcessIdentity)).toBe(false);
});
