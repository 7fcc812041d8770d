// The same C under AddressSanitizer and UndefinedBehaviorSanitizer: its parsers fed with generated inputs, and the whole program at work.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { supervisorSources } from '../build.mjs';
import { exerciseRelay, relayPortOf } from './relayed.ts';
import { finish, freshId, runToEnd, startSupervised, waitForOutput } from './supervised.ts';

const run = promisify(execFile);
const fuzzSource = join(dirname(fileURLToPath(import.meta.url)), '../fuzz/fuzz.c');
const sanitized = ['-std=c11', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** The first compiler here that links the sanitizers; Zig's does not have them. */
async function sanitizerCompiler(directory: string): Promise<string | undefined> {
  for (const compiler of [process.env.WORKTRAIL_CC, 'gcc', 'clang', 'cc']) {
    if (!compiler || compiler.includes(' ')) continue;
    const probe = join(directory, 'probe');
    const args = [...sanitized, '-o', probe, '-x', 'c', '-'];
    const compiling = run(compiler, args);
    compiling.child.stdin?.end('int main(void) { return 0; }\n');
    if (await compiling.then(() => true).catch(() => false)) return compiler;
  }
  return undefined;
}

const directory = await mkdtemp(join(tmpdir(), 'wt-sanitized-'));
const compiler = await sanitizerCompiler(directory);
const supervisor = join(directory, 'supervisor');
const fuzz = join(directory, 'fuzz');

describe.runIf(compiler !== undefined)('under sanitizers', () => {
  beforeAll(async () => {
    const parsers = await supervisorSources(['main.c']);
    await Promise.all([
      run(compiler ?? '', [...sanitized, '-o', supervisor, ...(await supervisorSources())]),
      run(compiler ?? '', [...sanitized, '-o', fuzz, fuzzSource, ...parsers.filter(isParser)]),
    ]);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each([
    ['control', 40_000],
    ['spec', 40_000],
    ['journal', 3_000],
    ['tail', 20_000],
  ])('the %s code keeps its promises for %i generated inputs', async (target, inputs) => {
    const { stdout } = await run(fuzz, [target, '1', String(inputs)]);
    expect(stdout).toMatch(new RegExp(`^${inputs} inputs`));
    if (target === 'spec') expect(Number(/(\d+) requests accepted/.exec(stdout)?.[1])).toBeGreaterThan(inputs / 20);
  });

  it('the supervisor does all its work without a report, and exits 0', async () => {
    const log = join(directory, 'report');
    const options = [`ASAN_OPTIONS=detect_leaks=0:log_path=${log}`, `UBSAN_OPTIONS=log_path=${log}`];
    const relayPort = relayPortOf(1);
    const sandbox = await startSupervised({ binary: supervisor, wrapper: ['env', ...options], relayPort });
    const { link } = sandbox;

    const plain = await runToEnd(sandbox, sandbox.bash('echo out; echo err >&2; exit 4'));
    expect(plain.end).toMatchObject({ outcome: 'exited', exitCode: 4, stdoutBytes: 4, stderrBytes: 4 });
    const failed = await runToEnd(sandbox, sandbox.bash('', { argv: ['/no/such'] }));
    expect(failed.end.outcome).toBe('failed_to_start');
    const limited = await runToEnd(sandbox, sandbox.bash('yes', { outputBytesMax: 100_003 }));
    expect(limited.end).toMatchObject({ outcome: 'output_limit', stdoutBytes: 100_003 });
    const both = 'for ((i = 0; i < 5000; i++)); do echo "out $i"; echo "err $i" >&2; done';
    const tailed = await runToEnd(sandbox, sandbox.bash(both, { outputBytesMax: 50_000, outputTailBytes: 33_333 }));
    expect(tailed.end).toMatchObject({ outcome: 'exited', outputTruncated: true });
    expect(tailed.both).toHaveLength(50_000);
    const late = await runToEnd(
      sandbox,
      sandbox.bash('trap "" TERM; sleep 5 & wait; wait', { timeoutMs: 50, graceMs: 50 }),
    );
    expect(late.end.outcome).toBe('timed_out');
    const left = await runToEnd(sandbox, sandbox.bash('(sleep 0.05; yes | head -c 500000) & echo bye'));
    expect(left.stdout).toBe('bye\n');

    const fed = sandbox.bash('sha256sum', { stdin: 'file' });
    await link.start(fed);
    await link.writeStdin(fed.id, Buffer.alloc(3_000_000, 7));
    await link.writeStdin(fed.id, Buffer.alloc(0), { close: true });
    expect((await finish(link, fed.id)).stdout).toMatch(/^[0-9a-f]{64} /);

    const held = sandbox.bash('yes | head -c 1000000', { unackedBytesMax: 1 });
    await link.start(held);
    for await (const frame of link.follow(held.id)) {
      if (frame.type === 'output') await link.ack(held.id, frame.position + frame.bytes.length);
      if (frame.type === 'end') expect(frame.stdoutBytes).toBe(1_000_000);
    }

    for (const line of ['', 'x'.repeat(4090), 'start', `signal ${freshId()} 9`, 'cancel \u0001 1 x'])
      await sandbox.send(line);
    const many = Array.from({ length: 70 }, () => sandbox.bash('exec sleep 60'));
    for (const spec of many) await link.start(spec);
    const outcomes = many.slice(64).map((spec) => finish(link, spec.id));
    for (const { end } of await Promise.all(outcomes)) expect(end.outcome).toBe('failed_to_start');

    await exerciseRelay(sandbox.runDirectory, relayPort);

    const trapped = sandbox.bash('trap "echo bye; exit" TERM; echo up; while :; do sleep 0.02; done');
    await link.cancel(many[0]?.id ?? '', { graceMs: 0, reason: 'room' });
    await finish(link, many[0]?.id ?? '');
    await link.start(trapped);
    await waitForOutput(link, trapped.id, 'up');
    sandbox.process.kill('SIGTERM');
    expect((await finish(link, trapped.id)).stdout).toBe('up\nbye\n');
    if (sandbox.process.exitCode === null) await once(sandbox.process, 'exit');
    expect(sandbox.process.exitCode).toBe(0);

    const reports = (await readdir(directory)).filter((name) => name.startsWith('report'));
    expect(await Promise.all(reports.map((name) => readFile(join(directory, name), 'utf8')))).toEqual([]);
    await sandbox.close();
  });
});

function isParser(path: string): boolean {
  return ['control.c', 'ident.c', 'journal.c', 'spec.c', 'tail.c'].some((name) => path.endsWith(`/${name}`));
}
