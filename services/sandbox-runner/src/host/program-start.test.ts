// Programs are started the same way by a process of their own as by this one.

import { randomBytes } from 'node:crypto';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callGitAsChild } from './git-call.ts';
import { openProgramStarter, type ProgramStarter } from './program-starter.ts';
import { type Program, startAsChild } from './program-start.ts';

const closers: (() => unknown)[] = [];
let starter: ProgramStarter;
beforeAll(async () => {
  starter = await openProgramStarter({ onClose: (_, close) => closers.push(close) });
});
afterAll(async () => {
  for (const close of closers) await close();
});

const sh = (script: string, changes: Partial<Program> = {}): Program => ({
  ...{ file: 'sh', args: ['-c', script], env: { PATH: process.env['PATH']!, GREETING: 'hello' }, stdin: false },
  ...changes,
});

describe.each([
  ['by a process of its own', () => starter.start],
  ['as a child', () => startAsChild],
])('%s', (_, start) => {
  const run = async (program: Program, input?: Buffer) => {
    const started = start()(program);
    started.stdin?.end(input);
    const [out, said, code] = await Promise.all([text(started.stdout), text(started.stderr), started.ended]);
    return { out, said, code };
  };

  test('its arguments, environment and directory are what it was given, and no more; its outputs and exit code come back', async () => {
    const script = 'printf "%s|" "$@"; pwd; env | grep -c . ; echo told >&2; exit 3';
    const program = sh(script, { args: ['-c', script, 'sh', 'a b', "'", 'ü\n'], cwd: '/' });
    const { out, said, code } = await run(program);
    expect(out).toMatch(/^a b\|'\|ü\n\|\/\n[345]\n$/);
    expect({ said, code }).toEqual({ said: 'told\n', code: 3 });
  });

  test('megabytes go in and come out as they are, many at once', async () => {
    const inputs = Array.from({ length: 8 }, () => randomBytes(3_000_000));
    const outputs = inputs.map(async (input) => {
      const started = start()(sh('cat', { stdin: true }));
      started.stdin!.end(input);
      const [out, code] = await Promise.all([buffer(started.stdout), started.ended, text(started.stderr)]);
      expect(code).toBe(0);
      return out.equals(input);
    });
    expect(await Promise.all(outputs)).toEqual(inputs.map(() => true));
  });

  test('one that does not read its input ends as it does otherwise', async () => {
    expect(await run(sh('exit 4', { stdin: true }), randomBytes(5_000_000))).toMatchObject({ code: 4 });
  });

  test('one that is killed ends without an exit code, also while it is started', async () => {
    const started = start()(sh('echo begun; exec sleep 100'));
    void text(started.stderr);
    const output = started.stdout[Symbol.asyncIterator]();
    expect(String((await output.next()).value)).toBe('begun\n');
    started.kill();
    expect((await output.next()).done).toBe(true);
    expect(await started.ended).toBeNull();
    const early = start()(sh('exec sleep 100'));
    void Promise.all([text(early.stdout), text(early.stderr)]).catch(() => undefined);
    early.kill();
    expect(await early.ended.catch(() => null)).toBeNull();
  });

  test('one that is not there is an error', async () => {
    const started = start()(sh('', { file: '/nowhere/program' }));
    void Promise.all([text(started.stdout), text(started.stderr)]).catch(() => undefined);
    await expect(started.ended).rejects.toThrow('ENOENT');
  });
});

test('when the process that starts them dies what runs is given up, and the next one runs', async () => {
  const started = starter.start(sh('echo "$PPID"; exec cat', { stdin: true }));
  void text(started.stderr).catch(() => undefined);
  const pid = Number((await started.stdout[Symbol.asyncIterator]().next()).value);
  process.kill(pid, 'SIGKILL');
  await expect(started.ended).rejects.toThrow('has ended');
  const next = starter.start(sh('echo again'));
  expect((await Promise.all([text(next.stdout), next.ended, text(next.stderr)])).slice(0, 2)).toEqual(['again\n', 0]);
});

describe.each([
  ['by a process of its own', () => starter.callGit],
  ['as a child', () => callGitAsChild],
])('git is called %s', (_, callGit) => {
  const { signal } = new AbortController();
  const call = (args: string[], until = signal) =>
    callGit()({ directory: '/', args, env: { PATH: process.env['PATH']!, LC_ALL: 'C' }, silentMsMax: 10_000 }, until);

  test('what it printed comes back, and of one that failed its words', async () => {
    expect(await call(['rev-parse', '--sq-quote', 'ü', "it's"])).toBe(" 'ü' 'it'\\''s'\n");
    await expect(call(['rev-parse', '--git-dir'])).rejects.toThrow('not a git repository');
  });

  test('one that is stopped ends with the reason for it', async () => {
    const stop = new AbortController();
    const called = call(['-c', 'alias.wait=!sleep 100', 'wait'], stop.signal);
    stop.abort(new Error('no longer wanted'));
    await expect(called).rejects.toThrow('no longer wanted');
  });
});
