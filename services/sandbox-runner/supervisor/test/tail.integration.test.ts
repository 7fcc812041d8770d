// Commands that go on above the limit of their output, with its beginning and its end kept.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JournalStream } from '../../src/supervision/journal-format.ts';
import {
  type Finished,
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

const kept = { outputBytesMax: 20_000, outputTailBytes: 8_000 };
const linesOf = (word: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${word} ${index + 1}\n`).join('');

/** Checks every output frame against what its stream must have there; answers the positions that are kept, as ranges. */
function keptRanges({ frames }: Pick<Finished, 'frames'>, whole: Record<JournalStream, string>): [number, number][] {
  const ranges: [number, number][] = [];
  for (const frame of frames) {
    if (frame.type !== 'output') continue;
    const text = Buffer.from(frame.bytes).toString('latin1');
    expect(text).toBe(whole[frame.stream].slice(frame.offset, frame.offset + text.length));
    const last = ranges.at(-1);
    if (last?.[1] === frame.position) last[1] += text.length;
    else ranges.push([frame.position, frame.position + text.length]);
  }
  return ranges;
}

describe('a command above its limit that keeps a tail', () => {
  it('goes on to its own end, and the first and the last bytes of both streams are kept at their places', async () => {
    const script = 'for ((i = 1; i <= 3000; i++)); do echo "out $i"; echo "err $i" >&2; done; exit 5';
    const done = await runToEnd(sandbox, sandbox.bash(script, kept));
    const whole = { stdout: linesOf('out', 3000), stderr: linesOf('err', 3000) };
    const total = whole.stdout.length + whole.stderr.length;
    expect(done.end).toMatchObject({ outcome: 'exited', exitCode: 5, outputTruncated: true });
    expect(done.end).toMatchObject({ stdoutBytes: whole.stdout.length, stderrBytes: whole.stderr.length });
    expect(keptRanges(done, whole)).toEqual([
      [0, 12_000],
      [total - 8_000, total],
    ]);
  });

  it('has no gap when its output is exactly as long as the limit, and one of a byte when it is one longer', async () => {
    const print = (bytes: number) => runToEnd(sandbox, sandbox.bash(`yes | head -c ${bytes}`, kept));
    const exact = await print(20_000);
    expect(keptRanges(exact, { stdout: 'y\n'.repeat(10_000), stderr: '' })).toEqual([[0, 20_000]]);
    expect(exact.end).toMatchObject({ outcome: 'exited', stdoutBytes: 20_000, outputTruncated: false });
    const above = await print(20_001);
    expect(keptRanges(above, { stdout: 'y\n'.repeat(10_001), stderr: '' })).toEqual([
      [0, 12_000],
      [12_001, 20_001],
    ]);
    expect(above.end).toMatchObject({ outcome: 'exited', stdoutBytes: 20_001, outputTruncated: true });
  });

  it('does not wait for anybody with what is beyond the beginning', async () => {
    const spec = sandbox.bash('yes | head -c 50000000', { ...kept, unackedBytesMax: 12_000 });
    const { end } = await runToEnd(sandbox, spec);
    expect(end).toMatchObject({ outcome: 'exited', stdoutBytes: 50_000_000 });
  });

  it('keeps the end of streams that take turns byte by byte', async () => {
    const script = 'for ((i = 0; i < 2000; i++)); do printf o; printf e >&2; done';
    const done = await runToEnd(sandbox, sandbox.bash(script, { outputBytesMax: 1_500, outputTailBytes: 999 }));
    expect(keptRanges(done, { stdout: 'o'.repeat(2000), stderr: 'e'.repeat(2000) })).toEqual([
      [0, 501],
      [3_001, 4_000],
    ]);
  });

  it('of no bytes says at its end how much there was', async () => {
    const spec = sandbox.bash('yes | head -c 5000', { outputBytesMax: 3_000, outputTailBytes: 0 });
    const done = await runToEnd(sandbox, spec);
    expect(done.both).toBe('y\n'.repeat(1_500));
    expect(done.end).toMatchObject({ outcome: 'exited', stdoutBytes: 5_000, outputTruncated: true });
  });

  it('can be canceled, and then has its tail', async () => {
    const spec = sandbox.bash(
      'head -c 30000 /dev/zero; trap "echo bye; exit" TERM; while :; do sleep 0.02; done',
      kept,
    );
    await sandbox.link.start(spec);
    await expect.poll(async () => outputOf(await journalSoFar(sandbox, spec.id)).length).toBe(12_000);
    await sandbox.link.cancel(spec.id, { graceMs: 20_000, reason: 'enough' });
    const { end, both } = await finish(sandbox.link, spec.id);
    expect(end).toMatchObject({ outcome: 'canceled', reason: 'enough' });
    expect(both.endsWith('bye\n')).toBe(end.stdoutBytes > 30_000);
  });

  it('whose supervisor is killed has its beginning and no end', async () => {
    const own = await startSupervised();
    const spec = own.bash('yes', kept);
    await own.link.start(spec);
    await waitForOutput(own.link, spec.id, 'y');
    await expect.poll(async () => outputOf(await journalSoFar(own, spec.id)).length).toBe(12_000);
    await own.restart();
    const frames = await journalSoFar(own, spec.id);
    expect(frames.at(-1)?.type).toBe('output');
    expect(outputOf(frames)).toBe('y\n'.repeat(6_000));
    await own.close();
  });

  it.each([
    [{ outputTailBytes: 10 }],
    [{ outputTailBytes: 11, outputBytesMax: 10 }],
    [{ outputTailBytes: 1_048_577, outputBytesMax: 2 ** 30 }],
  ])('is refused before it is sent where the tail does not fit: %o', async (limits) => {
    const refused = sandbox.link.start(sandbox.bash('true', limits));
    await expect(refused).rejects.toMatchObject({ code: 'supervisor_request_invalid' });
  });
});
