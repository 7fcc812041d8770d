// What goes into a command and what comes out of it, when one side is slower than the other or is killed in between.

import { appendFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  finish,
  journalSoFar,
  outputOf,
  runToEnd,
  type Supervised,
  startSupervised,
  waitForOutput,
} from './supervised.ts';

let sandbox: Supervised;
beforeAll(async () => {
  sandbox = await startSupervised();
});
afterAll(() => sandbox.close());

describe('input', () => {
  it('is fed as it is appended, and ends where it is closed', async () => {
    const spec = sandbox.bash('read a; echo "first $a"; cat; echo closed', { stdin: 'file' });
    await sandbox.link.start(spec);
    await sandbox.link.writeStdin(spec.id, Buffer.from('one\n'));
    await waitForOutput(sandbox.link, spec.id, 'first one\n');
    await sandbox.link.writeStdin(spec.id, Buffer.from('two\n'), { close: true });
    await sandbox.link.writeStdin(spec.id, Buffer.from('too late\n'));
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('first one\ntwo\nclosed\n');
  });

  it('that is sent again at its offset is fed once', async () => {
    const spec = sandbox.bash('cat', { stdin: 'file' });
    await sandbox.link.start(spec);
    for (const [text, offset] of [
      ['abc', 0],
      ['abc', 0],
      ['cdef', 2],
      ['', 6],
    ] as const) {
      await sandbox.link.writeStdin(spec.id, Buffer.from(text), { offset });
    }
    const gap = sandbox.link.writeStdin(spec.id, Buffer.from('x'), { offset: 9 });
    await expect(gap).rejects.toMatchObject({ code: 'supervisor_request_invalid' });
    expect(await sandbox.link.writeStdin(spec.id, Buffer.alloc(0), { close: true })).toEqual({ lengthTotal: 6 });
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('abcdef');
  });

  it('that a killed host appended without saying so is fed when the next one does', async () => {
    const spec = sandbox.bash('cat', { stdin: 'file' });
    await sandbox.link.start(spec);
    appendFileSync(join(sandbox.runDirectory, 'stdin', spec.id), 'left behind');
    await sandbox.send(`stdin ${spec.id} 4`);
    await waitForOutput(sandbox.link, spec.id, 'left');
    await sandbox.link.writeStdin(spec.id, Buffer.alloc(0), { close: true });
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('left behind');
  });

  it('of many megabytes passes through while the command takes its time, and other commands are not held up', async () => {
    const spec = sandbox.bash('sleep 0.3; wc -c', { stdin: 'file' });
    await sandbox.link.start(spec);
    await sandbox.link.writeStdin(spec.id, Buffer.alloc(8_000_000, 120), { close: true });
    expect((await runToEnd(sandbox, sandbox.bash('echo meanwhile'))).stdout).toBe('meanwhile\n');
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('8000000\n');
  });

  it('that the command does not read harms nothing', async () => {
    const spec = sandbox.bash('exec 0<&-; echo shut; sleep 0.2; echo end', { stdin: 'file' });
    await sandbox.link.start(spec);
    await waitForOutput(sandbox.link, spec.id, 'shut');
    await sandbox.link.writeStdin(spec.id, Buffer.alloc(1_000_000), { close: true });
    expect((await finish(sandbox.link, spec.id)).stdout).toBe('shut\nend\n');
  });

  it('is empty without the mode `file`', async () => {
    expect((await runToEnd(sandbox, sandbox.bash('wc -c; readlink /proc/self/fd/0'))).stdout).toBe('0\n/dev/null\n');
  });
});

describe('back-pressure', () => {
  it('stops reading beyond what is acknowledged, goes on at an ack, and loses nothing', async () => {
    const unackedBytesMax = 300_000;
    const spec = sandbox.bash('yes | head -c 3000000', { unackedBytesMax });
    const other = sandbox.bash('echo not held up');
    await sandbox.link.start(spec);
    let total = 0;
    let acked = 0;
    for await (const frame of sandbox.link.follow(spec.id, { signal: AbortSignal.timeout(120_000) })) {
      if (frame.type !== 'output') continue;
      total += frame.bytes.length;
      if (total - acked <= unackedBytesMax) continue;
      if (acked === 0) {
        expect((await runToEnd(sandbox, other)).stdout).toBe('not held up\n');
        const held = await journalSoFar(sandbox, spec.id);
        expect(held.at(-1)?.type).toBe('output');
        expect(outputOf(held).length).toBeLessThanOrEqual(unackedBytesMax + 65_536);
      }
      acked = total;
      await sandbox.link.ack(spec.id, acked);
    }
    expect(total).toBe(3_000_000);
  });

  it('counts frames too, so that a command that prints byte by byte waits as well', async () => {
    const script = 'while :; do printf o; printf e >&2; done';
    const spec = sandbox.bash(script, { unackedBytesMax: 2 ** 30 });
    await sandbox.link.start(spec);
    const frames = async () => (await journalSoFar(sandbox, spec.id)).filter(({ type }) => type === 'output');
    const count = async () => (await frames()).length;
    const size = async () => (await stat(join(sandbox.runDirectory, 'journals', spec.id))).size;
    await expect.poll(size).toBeGreaterThan(262_145 * 41);
    await expect.poll(count).toBe(262_145);
    await runToEnd(sandbox, sandbox.bash('true'));
    expect(await count()).toBe(262_145);
    const last = (await frames()).at(-1);
    if (last?.type === 'output') await sandbox.link.ack(spec.id, last.position + last.bytes.length);
    await expect.poll(count).toBeGreaterThan(262_145);
    await sandbox.link.cancel(spec.id, { graceMs: 0, reason: 'enough' });
    expect((await finish(sandbox.link, spec.id)).end.outcome).toBe('canceled');
  });

  it('does not keep a cancel from ending the command', async () => {
    const spec = sandbox.bash('yes', { unackedBytesMax: 100_000 });
    await sandbox.link.start(spec);
    await waitForOutput(sandbox.link, spec.id, 'y');
    await sandbox.link.cancel(spec.id, { graceMs: 1000, reason: 'enough' });
    const { end, stdout } = await finish(sandbox.link, spec.id);
    expect(end).toMatchObject({ outcome: 'canceled', stdoutBytes: stdout.length });
  });
});
