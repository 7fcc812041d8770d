// The run directory under everything that goes wrong around it: repeated and torn requests, killed hosts and supervisors, a full disk.

import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../../src/supervision/journal-format.ts';
import { openSupervisorLink } from '../../src/supervision/supervisor-link.ts';
import { encodeRequest } from '../../src/supervision/supervisor-request.ts';
import {
  builtSupervisor,
  finish,
  freshId,
  journalSoFar,
  outputOf,
  runToEnd,
  type Supervised,
  type SupervisedOptions,
  startSupervised,
  waitForOutput,
} from './supervised.ts';

const patience = { timeout: 60_000 };
const run = promisify(execFile);
const open: Supervised[] = [];
async function supervised(options?: SupervisedOptions): Promise<Supervised> {
  const sandbox = await startSupervised(options);
  open.push(sandbox);
  return sandbox;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((sandbox) => sandbox.close()));
});

function writeToControl(sandbox: Supervised, bytes: string): void {
  const fd = openSync(join(sandbox.runDirectory, 'control'), constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(fd, bytes);
  closeSync(fd);
}

describe('a start', () => {
  it('that is repeated runs the command once, while it runs and after it ended', async () => {
    const sandbox = await supervised();
    const spec = sandbox.bash('echo ran >> count; sleep 0.1; cat count');
    await Promise.all([sandbox.link.start(spec), sandbox.link.start(spec), sandbox.send(`start ${spec.id}`)]);
    const { stdout } = await finish(sandbox.link, spec.id);
    await sandbox.send(`start ${spec.id}`);
    await sandbox.link.start(spec);
    expect(stdout).toBe('ran\n');
    expect((await runToEnd(sandbox, sandbox.bash('wc -l < count'))).stdout.trim()).toBe('1');
    expect((await sandbox.status()).started_commands).toBe(2);
  });

  it('does not run a command of an earlier boot again, whose journal then shows the other boot id', async () => {
    const sandbox = await supervised();
    const spec = sandbox.bash('echo ran >> count; exec sleep 60');
    const before = await sandbox.link.start(spec);
    await waitForStarted(sandbox, spec.id);
    const pid = await pidOf(sandbox, spec.id);
    await sandbox.restart();
    process.kill(pid, 'SIGKILL');
    const after = await sandbox.link.start(spec);
    expect(after).toEqual(before);
    expect(after.bootId).not.toBe(await sandbox.link.bootId());
    await sandbox.send(`start ${spec.id}`);
    expect(await sandbox.status()).toMatchObject({ started_commands: 0, repeated_starts: 1 });
  });

  it('takes over a journal whose header an earlier supervisor did not finish', async () => {
    const sandbox = await supervised();
    const spec = sandbox.bash('echo here');
    const bootId = '0'.repeat(32);
    const torn = encodeFrame({ type: 'header', timeNs: 1n, bootId, commandId: spec.id, mayJump: false });
    await writeFile(join(sandbox.runDirectory, 'journals', spec.id), torn.subarray(0, 95));
    expect((await runToEnd(sandbox, spec)).stdout).toBe('here\n');
  });

  it('without a request starts nothing and leaves no journal', async () => {
    const sandbox = await supervised();
    await sandbox.send(`start ${freshId()}`);
    expect(await sandbox.status()).toMatchObject({ unknown_commands: 1, started_commands: 0 });
    expect(await readdir(join(sandbox.runDirectory, 'journals'))).toEqual([]);
  });

  it('of a request that is torn, unknown or too large ends as failed_to_start and says so', async () => {
    const sandbox = await supervised();
    const good = encodeRequest(sandbox.bash('echo no')).toString('latin1');
    const cases: [string, RegExp][] = [
      [good.slice(0, -20), /incomplete/],
      ['', /incomplete/],
      [good.replace('cwd=', 'dir='), /unknown key/],
      [good.replace('end=', 'timeoutMs=soon\0end='), /bad timeoutMs/],
      [good.replace('end=', `env=A=${'x'.repeat(130_000)}\0`.repeat(9)), /larger than 1 MiB/],
    ];
    for (const [request, reason] of cases) {
      const id = freshId();
      await writeFile(join(sandbox.runDirectory, 'requests', id), request, 'latin1');
      await sandbox.send(`start ${id}`);
      const { end } = await finish(sandbox.link, id);
      expect(end.outcome).toBe('failed_to_start');
      expect(end.reason).toMatch(reason);
    }
  });

  it('of a 65th live command is refused by name, internal ones have places of their own, and ended ones make room', async () => {
    const sandbox = await supervised();
    const live = Array.from({ length: 64 }, () => sandbox.bash('exec sleep 60'));
    await Promise.all(live.map((spec) => sandbox.link.start(spec)));
    const { end } = await runToEnd(sandbox, sandbox.bash('echo no'));
    expect(end).toMatchObject({ outcome: 'failed_to_start', reason: 'too many live commands (64)' });
    expect((await runToEnd(sandbox, sandbox.bash('echo inside', { origin: 'internal' }))).stdout).toBe('inside\n');
    const [first] = live;
    if (first === undefined) throw new Error('no command');
    await sandbox.link.cancel(first.id, { graceMs: 0, reason: 'room' });
    await finish(sandbox.link, first.id);
    expect((await runToEnd(sandbox, sandbox.bash('echo room'))).stdout).toBe('room\n');
  });

  it('reaches its journal though the first line was lost', async () => {
    const sandbox = await supervised();
    let lost = 0;
    const link = openSupervisorLink({
      runDirectory: sandbox.runDirectory,
      send: async (line) => {
        if (lost++ > 0) await sandbox.send(line);
      },
    });
    const spec = sandbox.bash('echo came');
    await link.start(spec);
    link.close();
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('came\n');
    expect(lost).toBe(2);
  });
});

describe('control lines', () => {
  it('that are torn, too long, unknown or hostile are counted and leave the next ones alone', async () => {
    const sandbox = await supervised();
    const spec = sandbox.bash('echo fine');
    await writeFile(join(sandbox.runDirectory, 'requests', spec.id), encodeRequest(spec));
    const bad = [
      'start',
      `start ${spec.id} now`,
      'start ../../../../etc/passwd.........',
      `start ${spec.id.toUpperCase()}`,
      `signal ${spec.id} 0`,
      `signal ${spec.id} 65`,
      `signal ${spec.id} -9`,
      `cancel ${spec.id} 5`,
      `ack ${spec.id} 99999999999999999999999`,
      `stdin ${spec.id} 5 shut`,
      'reboot',
      `sta\0rt ${spec.id}`,
      ' ',
    ];
    writeToControl(sandbox, `${bad.join('\n')}\n`);
    writeToControl(sandbox, 'x'.repeat(4000));
    writeToControl(sandbox, 'x'.repeat(4000));
    writeToControl(sandbox, '\nsta');
    await sandbox.send(`start ${spec.id}`);
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('fine\n');
    expect(await sandbox.status()).toMatchObject({ ignored_lines: bad.length + 2, started_commands: 1 });
  });

  it('reach the supervisor by its own `ctl` mode too', async () => {
    const sandbox = await supervised();
    const binary = await builtSupervisor();
    const spec = sandbox.bash('echo by ctl');
    const link = openSupervisorLink({
      runDirectory: sandbox.runDirectory,
      send: async (line) => void (await run(binary, ['ctl', sandbox.runDirectory, line])),
    });
    await link.start(spec);
    link.close();
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('by ctl\n');
    await expect(run(binary, ['ctl', sandbox.runDirectory, 'two\nlines'])).rejects.toMatchObject({ code: 2 });
    sandbox.process.kill('SIGKILL');
    await expect
      .poll(() => run(binary, ['ctl', sandbox.runDirectory, 'status']).catch((e) => e.code), patience)
      .toBe(3);
  });

  it('meet `supervisor_unreachable` at once where no supervisor is', async () => {
    const sandbox = await supervised();
    await sandbox.close();
    open.splice(0);
    const unreachable = { code: 'supervisor_unreachable', retryable: true };
    await expect(sandbox.link.ack(freshId(), 0)).rejects.toMatchObject(unreachable);
  });
});

describe('a host that is killed', () => {
  it('goes on with the same command through a new link, from any position', async () => {
    const sandbox = await supervised();
    const spec = sandbox.bash('for i in {1..300}; do echo line $i; done; read x; echo got $x', { stdin: 'file' });
    await sandbox.link.start(spec);
    const seen = await waitForOutput(sandbox.link, spec.id, 'line 300');
    sandbox.link.close();

    const next = openSupervisorLink({ runDirectory: sandbox.runDirectory });
    await next.start(spec);
    await next.writeStdin(spec.id, Buffer.from('it\n'));
    const all = await finish(next, spec.id);
    expect(all.stdout.startsWith(seen)).toBe(true);
    expect(all.stdout.endsWith('line 300\ngot it\n')).toBe(true);
    for (const fromPosition of [0, 1, 17, seen.length, all.stdout.length, all.stdout.length + 5]) {
      const frames = [];
      for await (const frame of next.follow(spec.id, { fromPosition })) frames.push(frame);
      expect(outputOf(frames)).toBe(all.stdout.slice(fromPosition));
      expect(frames.at(-1)).toEqual(all.end);
    }
    next.close();
  });
});

describe('a disk that is full', () => {
  it('holds the output back until there is room, and then nothing is missing', async () => {
    const sandbox = await supervised({ wrapper: ['prlimit', '--fsize=100000:unlimited', '--'] });
    const spec = sandbox.bash('ulimit -f unlimited; yes 0123456 | head -c 400000; echo end >&2');
    await sandbox.link.start(spec);
    const path = join(sandbox.runDirectory, 'journals', spec.id);
    await expect.poll(async () => (await stat(path)).size, patience).toBe(100_000);
    await delay(100);
    expect((await journalSoFar(sandbox, spec.id)).at(-1)?.type).not.toBe('end');
    await run('prlimit', ['--fsize=unlimited', '--pid', String(sandbox.process.pid)]);
    const { stdout, stderr, end } = await finish(sandbox.link, spec.id);
    expect([stdout, stderr]).toEqual(['0123456\n'.repeat(50_000), 'end\n']);
    expect(end.outcome).toBe('exited');
  });

  it('that has no room for a header starts nothing, and the repeated start does when there is', async () => {
    const sandbox = await supervised({ wrapper: ['prlimit', '--fsize=50:unlimited', '--'] });
    const spec = sandbox.bash('echo at last');
    const started = sandbox.link.start(spec);
    const path = join(sandbox.runDirectory, 'journals', spec.id);
    await expect.poll(() => stat(path).then(({ size }) => size), patience).toBe(0);
    await run('prlimit', ['--fsize=unlimited', '--pid', String(sandbox.process.pid)]);
    await started;
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('at last\n');
    expect((await sandbox.status()).postponed_starts).toBeGreaterThan(0);
  });
});

describe('out of memory', () => {
  it('is told from other SIGKILLs by the cgroup counter', async () => {
    const first = await supervised();
    const counter = join(first.workspace, 'memory.events');
    await writeFile(counter, 'low 0\noom 3\noom_kill 3\n');
    await chmod(counter, 0o666);
    const sandbox = await supervised({ args: ['--oom-file', counter] });
    const killed = `printf 'oom 4\\noom_kill 4\\n' > ${counter}; kill -9 $$`;
    expect((await runToEnd(sandbox, sandbox.bash('kill -9 $$'))).end).toMatchObject({ outcome: 'signaled', signal: 9 });
    expect((await runToEnd(sandbox, sandbox.bash(killed))).end).toMatchObject({ outcome: 'oom_killed', signal: 9 });
    const shell = `printf 'oom_kill 5\\n' > ${counter}; bash -c 'kill -9 $$'; exit $?`;
    expect((await runToEnd(sandbox, sandbox.bash(shell))).end).toMatchObject({ outcome: 'oom_killed', exitCode: 137 });
  });
});

describe('a kill for want of memory', () => {
  const grown = async () => {
    const first = await supervised();
    const counter = join(first.workspace, 'memory.events');
    await writeFile(counter, 'oom_kill 0\n');
    await chmod(counter, 0o666);
    return { counter, sandbox: await supervised({ args: ['--oom-file', counter] }) };
  };

  it('that ended one command does not explain how another one was killed', async () => {
    const { counter, sandbox } = await grown();
    const other = sandbox.bash('echo $$; sleep 60');
    await sandbox.link.start(other);
    const pid = Number(await waitForOutput(sandbox.link, other.id, '\n'));
    const victim = await runToEnd(sandbox, sandbox.bash(`echo 'oom_kill 1' > ${counter}; kill -9 $$`));
    expect(victim.end).toMatchObject({ outcome: 'oom_killed', signal: 9 });
    await runToEnd(sandbox, sandbox.bash(`kill -9 ${pid}`));
    expect((await finish(sandbox.link, other.id)).end).toMatchObject({ outcome: 'signaled', signal: 9 });
  });

  it('of each of two commands names both', async () => {
    const { counter, sandbox } = await grown();
    const other = sandbox.bash('echo $$; sleep 60');
    await sandbox.link.start(other);
    const pid = Number(await waitForOutput(sandbox.link, other.id, '\n'));
    const victim = await runToEnd(sandbox, sandbox.bash(`echo 'oom_kill 2' > ${counter}; kill -9 ${pid} $$`));
    expect(victim.end.outcome).toBe('oom_killed');
    expect((await finish(sandbox.link, other.id)).end.outcome).toBe('oom_killed');
  });

  it('some time ago is not why a command is killed now, but it may be why a shell reports one', async () => {
    const { counter, sandbox } = await grown();
    const shell = sandbox.bash('echo up; sleep 9; exit 137');
    await sandbox.link.start(shell);
    // What was counted before a command began explains nothing of it.
    await waitForOutput(sandbox.link, shell.id, 'up');
    const killed = await runToEnd(sandbox, sandbox.bash(`echo 'oom_kill 1' > ${counter}; sleep 7; kill -9 $$`));
    expect(killed.end).toMatchObject({ outcome: 'signaled', signal: 9 });
    const reported = await finish(sandbox.link, shell.id);
    expect(reported.end).toMatchObject({ outcome: 'oom_killed', exitCode: 137 });
  });
});

describe('a supervisor that is stopped', () => {
  it('ends its commands as canceled, within the grace, and exits 0', async () => {
    const sandbox = await supervised({ args: ['--stop-grace-ms', '3000'] });
    const gentle = sandbox.bash('trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.02; done');
    const stubborn = sandbox.bash('trap "" TERM; echo up; while :; do sleep 0.02; done');
    for (const spec of [gentle, stubborn]) {
      await sandbox.link.start(spec);
      await waitForOutput(sandbox.link, spec.id, 'up');
    }
    sandbox.process.kill('SIGTERM');
    const [one, two] = await Promise.all([finish(sandbox.link, gentle.id), finish(sandbox.link, stubborn.id)]);
    expect(one.end).toMatchObject({ outcome: 'canceled', exitCode: 3, reason: 'supervisor_stopped' });
    expect(one.stdout).toBe('up\nbye\n');
    expect(two.end).toMatchObject({ outcome: 'canceled', signal: 9 });
    await expect.poll(() => sandbox.process.exitCode, patience).toBe(0);
  });
});

describe('removing a command', () => {
  it('leaves nothing, and a late start of it runs nothing', async () => {
    const sandbox = await supervised();
    const spec = sandbox.bash('echo once', { stdin: 'file' });
    await sandbox.link.start(spec);
    await sandbox.link.writeStdin(spec.id, Buffer.from('x'), { close: true });
    await finish(sandbox.link, spec.id);
    await sandbox.link.removeCommand(spec.id);
    await sandbox.send(`start ${spec.id}`);
    expect((await sandbox.status()).started_commands).toBe(1);
    for (const part of ['requests', 'stdin', 'journals']) {
      expect(await readdir(join(sandbox.runDirectory, part))).toEqual([]);
    }
  });
});

async function waitForStarted(sandbox: Supervised, id: string): Promise<void> {
  for await (const frame of sandbox.link.follow(id)) if (frame.type === 'started') return;
}

async function pidOf(sandbox: Supervised, id: string): Promise<number> {
  for await (const frame of sandbox.link.follow(id)) if (frame.type === 'started') return frame.pid;
  throw new Error('never started');
}
