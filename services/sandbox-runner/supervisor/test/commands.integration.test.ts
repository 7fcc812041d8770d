// How commands run and end under a real supervisor, and what its journal says of them.

import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finish, isRoot, runToEnd, type Supervised, startSupervised, waitForOutput } from './supervised.ts';

let sandbox: Supervised;
beforeAll(async () => {
  sandbox = await startSupervised();
});
afterAll(() => sandbox.close());

describe('a command', () => {
  it('is recorded as header, started, output in order, end', async () => {
    const script = 'echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three; exit 7';
    const { frames, both, stdout, stderr, end } = await runToEnd(sandbox, sandbox.bash(script));
    expect(frames.map((frame) => frame.type)).toEqual(['header', 'started', 'output', 'output', 'output', 'end']);
    expect([both, stdout, stderr]).toEqual(['one\ntwo\nthree\n', 'one\nthree\n', 'two\n']);
    expect(end).toMatchObject({ outcome: 'exited', exitCode: 7, signal: null, stdoutBytes: 10, stderrBytes: 4 });
  });

  it('has its boot id and its own id in the header, and its resources in the end', async () => {
    const spec = sandbox.bash('for i in {1..20000}; do :; done');
    const { frames, end } = await runToEnd(sandbox, spec);
    expect(frames[0]).toMatchObject({ type: 'header', commandId: spec.id, bootId: await sandbox.link.bootId() });
    expect(end.userTimeUs + end.systemTimeUs).toBeGreaterThan(0);
    expect(end.maxRssKib).toBeGreaterThan(100);
  });

  it('loses nothing when it reopens /dev/stdout and /dev/stderr', async () => {
    const script =
      'echo a; echo b > /dev/stdout; echo c >> /dev/stdout; echo d > /dev/stderr; echo e | tee /dev/stderr; echo f';
    const { stdout, stderr, end } = await runToEnd(sandbox, sandbox.bash(script));
    expect([stdout, stderr, end.exitCode]).toEqual(['a\nb\nc\ne\nf\n', 'd\ne\n', 0]);
  });

  it('gets exactly the environment, arguments and directory it was asked to get', async () => {
    await mkdir(join(sandbox.workspace, 'sub'), { recursive: true });
    const env = { PATH: '/usr/bin:/bin', GREETING: 'two words\nand a line', EMPTY: '' };
    const spec = sandbox.bash('', { argv: ['env', '-0'], env, cwd: join(sandbox.workspace, 'sub') });
    const { stdout } = await runToEnd(sandbox, spec);
    expect(stdout.split('\0').filter(Boolean).sort()).toEqual(
      Object.entries(env)
        .map((e) => e.join('='))
        .sort(),
    );
    const where = await runToEnd(sandbox, sandbox.bash('', { argv: ['pwd'], cwd: join(sandbox.workspace, 'sub') }));
    expect(where.stdout).toBe(`${join(sandbox.workspace, 'sub')}\n`);
  });

  it('has a process group and session of its own, no other descriptor, and default signals', async () => {
    const script =
      'ps -o pid=,pgid=,sid= -p $$; ls /proc/$$/fd | tr "\\n" " "; umask; grep -E "Sig(Blk|Ign)" /proc/self/status';
    const { stdout } = await runToEnd(sandbox, sandbox.bash(script));
    const [ids = '', descriptors, ...signals] = stdout.trim().split('\n');
    expect(new Set(ids.trim().split(/\s+/)).size).toBe(1);
    expect(descriptors).toBe('0 1 2 0022');
    expect(signals.map((line) => Number.parseInt(line.split(/\s+/)[1] ?? '', 16))).toEqual([0, 0]);
  });

  it.runIf(isRoot)('is uid 1000 with no group, no capability and no way to gain any', async () => {
    const script =
      'grep -E "^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs):" /proc/self/status | tr -s "\\t " " "';
    const { stdout } = await runToEnd(sandbox, sandbox.bash(script));
    const none = '0000000000000000';
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.trim())
        .sort(),
    ).toEqual(
      [
        'Uid: 1000 1000 1000 1000',
        'Gid: 1000 1000 1000 1000',
        'Groups:',
        `CapInh: ${none}`,
        `CapPrm: ${none}`,
        `CapEff: ${none}`,
        `CapAmb: ${none}`,
        'NoNewPrivs: 1',
      ].sort(),
    );
  });

  it.runIf(isRoot)('can neither enter the run directory nor touch the supervisor', async () => {
    const pid = sandbox.process.pid;
    const script = `ls ${sandbox.runDirectory}; kill -9 ${pid}; cat /proc/${pid}/environ; cat /proc/${pid}/mem; ls /proc/${pid}/fd`;
    const { stdout, stderr, end } = await runToEnd(sandbox, sandbox.bash(script));
    expect(stdout).toBe('');
    expect(stderr.match(/Permission denied|not permitted/g)).toHaveLength(5);
    expect(end.exitCode).not.toBe(0);
  });

  it('is found by PATH of its own environment, also when it is a script without an interpreter line', async () => {
    await writeFile(join(sandbox.workspace, 'hello'), 'echo hello from $0\n', { mode: 0o755 });
    const env = { PATH: `/nowhere:${sandbox.workspace}:/bin` };
    const { stdout } = await runToEnd(sandbox, sandbox.bash('', { argv: ['hello'], env }));
    expect(stdout).toBe(`hello from ${join(sandbox.workspace, 'hello')}\n`);
  });

  it('can close the work tree to its own user, and the next command opens it again', async () => {
    await runToEnd(sandbox, sandbox.bash('chmod 000 .'));
    const { stdout, end } = await runToEnd(sandbox, sandbox.bash('stat -c %a .'));
    expect([end.reason, stdout]).toEqual(['', '700\n']);
  });

  it('that prints 100 MB is recorded byte for byte', async () => {
    const script = 'head -c 100000000 /dev/urandom > large; sha256sum large >&2; cat large; rm large';
    const spec = sandbox.bash(script);
    await sandbox.link.start(spec);
    const hash = createHash('sha256');
    let said = '';
    for await (const frame of sandbox.link.follow(spec.id, { signal: AbortSignal.timeout(60_000) })) {
      if (frame.type !== 'output') continue;
      if (frame.stream === 'stdout') hash.update(frame.bytes);
      else said += Buffer.from(frame.bytes).toString();
      await sandbox.link.ack(spec.id, frame.position + frame.bytes.length);
    }
    expect(said.split(' ')[0]).toBe(hash.digest('hex'));
  });
});

describe('the end of a command', () => {
  it('is `signaled` with the number when a signal ends it', async () => {
    const spec = sandbox.bash('echo up; exec sleep 60');
    await sandbox.link.start(spec);
    await waitForOutput(sandbox.link, spec.id, 'up');
    await sandbox.link.signal(spec.id, 'INT');
    expect((await finish(sandbox.link, spec.id)).end).toMatchObject({ outcome: 'signaled', signal: 2, exitCode: null });
  });

  it('is `exited` when it handles the signal, which reaches its whole group', async () => {
    const child = 'trap "echo child got it; exit" USR1; echo ready; while :; do sleep 0.02; done';
    const script = `trap "wait; echo parent got it; exit 5" USR1; bash -c '${child}' & wait`;
    const spec = sandbox.bash(script);
    await sandbox.link.start(spec);
    await waitForOutput(sandbox.link, spec.id, 'ready');
    await sandbox.link.signal(spec.id, 'SIGUSR1');
    const { end, stdout } = await finish(sandbox.link, spec.id);
    expect(end).toMatchObject({ outcome: 'exited', exitCode: 5 });
    expect(stdout).toBe('ready\nchild got it\nparent got it\n');
  });

  it('is `timed_out` when nothing of its group heeds TERM, after the grace', async () => {
    const script =
      'trap "echo no" TERM; bash -c \'trap "" TERM; echo child $$; while :; do sleep 0.05; done\' & while :; do sleep 0.05; done';
    const { end, stdout } = await runToEnd(sandbox, sandbox.bash(script, { timeoutMs: 3_000, graceMs: 3_000 }));
    expect(end).toMatchObject({ outcome: 'timed_out', signal: 9, reason: 'ran longer than 3000 ms' });
    expect(stdout).toContain('no\n');
    const child = /child (\d+)/.exec(stdout)?.[1];
    const look = await runToEnd(sandbox, sandbox.bash(`ps -o stat= -p ${child}`));
    expect(look.stdout.trim()).toMatch(/^(Z.*)?$/);
  });

  it('is `canceled` with its reason, and what the group prints within the grace is kept', async () => {
    const inner = 'trap "sleep 0.2; echo cleaned up; exit 0" TERM; echo ready; while :; do sleep 0.02; done';
    const spec = sandbox.bash(`bash -c '${inner}' & wait`);
    await sandbox.link.start(spec);
    await waitForOutput(sandbox.link, spec.id, 'ready');
    await sandbox.link.cancel(spec.id, { graceMs: 20_000, reason: 'asked by\na user' });
    const { end, stdout } = await finish(sandbox.link, spec.id);
    expect(end).toMatchObject({ outcome: 'canceled', reason: 'asked by a user', signal: 15 });
    expect(stdout).toBe('ready\ncleaned up\n');
  });

  it('comes sooner when a second cancel has a shorter grace', async () => {
    const spec = sandbox.bash('trap "" TERM; echo ready; while :; do sleep 0.02; done');
    await sandbox.link.start(spec);
    await waitForOutput(sandbox.link, spec.id, 'ready');
    await sandbox.link.cancel(spec.id, { graceMs: 600_000, reason: 'first' });
    await sandbox.link.cancel(spec.id, { graceMs: 0, reason: 'second' });
    expect((await finish(sandbox.link, spec.id)).end).toMatchObject({
      outcome: 'canceled',
      reason: 'first',
      signal: 9,
    });
  });

  it('does not change when a cancel comes after it', async () => {
    const spec = sandbox.bash('echo done');
    const before = await runToEnd(sandbox, spec);
    await sandbox.link.cancel(spec.id, { graceMs: 0, reason: 'late' });
    await sandbox.status();
    expect((await finish(sandbox.link, spec.id)).frames).toEqual(before.frames);
  });

  it('is `output_limit` with exactly the bytes of the limit', async () => {
    const spec = sandbox.bash('yes 0123456 | head -c 300000; sleep 60', { outputBytesMax: 200_001 });
    const { end, both } = await runToEnd(sandbox, spec);
    expect(end).toMatchObject({ outcome: 'output_limit', stdoutBytes: 200_001, signal: 9, outputTruncated: true });
    expect(both).toBe('0123456\n'.repeat(25_001).slice(0, 200_001));
  });

  it('is `exited` when the output is exactly as long as the limit', async () => {
    const { end } = await runToEnd(sandbox, sandbox.bash('printf 12345', { outputBytesMax: 5 }));
    expect(end).toMatchObject({ outcome: 'exited', exitCode: 0, stdoutBytes: 5, outputTruncated: false });
  });

  it('is not held up by a process left behind, which goes on and gets no SIGPIPE', async () => {
    const mark = join(sandbox.workspace, 'left-behind');
    const script = `(trap "" HUP; sleep 3; for i in {1..20000}; do echo line $i of what comes later; done; echo $? > ${mark}) & echo bye`;
    const { end, stdout } = await runToEnd(sandbox, sandbox.bash(script));
    expect([end.outcome, stdout]).toEqual(['exited', 'bye\n']);
    const wait = await runToEnd(sandbox, sandbox.bash(`while ! [ -s ${mark} ]; do sleep 0.02; done; cat ${mark}`));
    expect(wait.stdout).toBe('0\n');
  });
});

describe('a command that cannot start', () => {
  const failing = async (more: Parameters<Supervised['bash']>[1]) => {
    const { frames, end } = await runToEnd(sandbox, sandbox.bash('echo never', more));
    expect(frames.map((frame) => frame.type)).toEqual(['header', 'end']);
    expect(end).toMatchObject({ outcome: 'failed_to_start', exitCode: null, signal: null });
    return end.reason;
  };

  it('says that its program is not there, or is not executable', async () => {
    expect(await failing({ argv: ['/no/such/program'] })).toBe(
      'cannot execute /no/such/program: No such file or directory',
    );
    expect(await failing({ argv: ['no-such-program'] })).toMatch(/^cannot execute no-such-program: No such file/);
    expect(await failing({ argv: ['/etc/passwd'] })).toBe('cannot execute /etc/passwd: Permission denied');
  });

  it('says that its directory is not there, or is a file', async () => {
    expect(await failing({ cwd: join(sandbox.workspace, 'nope') })).toMatch(/^cannot enter cwd .*nope: No such file/);
    await writeFile(join(sandbox.workspace, 'file'), '');
    expect(await failing({ cwd: join(sandbox.workspace, 'file') })).toMatch(/Not a directory$/);
  });

  it('cannot leave the work tree, by path, by dots, or by a symlink', async () => {
    await symlink('/tmp', join(sandbox.workspace, 'escape'));
    for (const cwd of ['/', '/tmp', `${sandbox.workspace}/..`, `${sandbox.workspace}/escape`]) {
      expect(await failing({ cwd })).toMatch(/^cwd leads out of the work tree/);
    }
  });

  it('is refused before it is sent when an argument is longer than Linux takes, not when all are long together', async () => {
    const env = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`V${i}`, 'x'.repeat(110_000)]));
    const spec = sandbox.bash('echo fits', { env: { PATH: '/bin', ...env } });
    expect((await runToEnd(sandbox, spec)).stdout).toBe('fits\n');
    const tooLong = sandbox.bash('', { argv: ['/bin/true', 'x'.repeat(131_072)] });
    await expect(sandbox.link.start(tooLong)).rejects.toMatchObject({ code: 'supervisor_request_invalid' });
  });
});
