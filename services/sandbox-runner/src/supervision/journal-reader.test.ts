import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type EndFrame,
  encodeFrame,
  type HeaderFrame,
  type JournalFrame,
  JournalCorrupt,
  type OutputFrame,
} from './journal-format.ts';
import { createFrameOrder, cutBefore, followJournal, openJournal } from './journal-reader.ts';
import { type JournalWatch, openJournalWatch } from './journal-watch.ts';

const header: HeaderFrame = {
  type: 'header',
  timeNs: 1n,
  bootId: 'a'.repeat(32),
  commandId: `cmd_${'0'.repeat(26)}`,
  mayJump: false,
};
const started: JournalFrame = { type: 'started', timeNs: 2n, pid: 7 };

/** A whole journal whose output frames alternate between the streams. */
function journalOf(chunks: string[]): JournalFrame[] {
  const bytes = { stdout: 0, stderr: 0 };
  const output = chunks.map((chunk, index): OutputFrame => {
    const stream = index % 2 === 0 ? 'stdout' : 'stderr';
    const [offset, position] = [bytes[stream], bytes.stdout + bytes.stderr];
    bytes[stream] += chunk.length;
    return { type: 'output', timeNs: 3n, stream, offset, position, bytes: Buffer.from(chunk, 'latin1') };
  });
  return [header, started, ...output, endOf(bytes.stdout, bytes.stderr)];
}

/** `ab` on stdout, `cde` on stderr, seven bytes that were not kept, four of them of stdout, and `ghij` on stdout. */
function withGap(): [JournalFrame, JournalFrame, OutputFrame, OutputFrame, OutputFrame, EndFrame] {
  const [, , first, second] = journalOf(['ab', 'cde']) as OutputFrame[];
  const last: OutputFrame = { ...first!, offset: 6, position: 12, bytes: Buffer.from('ghij') };
  return [{ ...header, mayJump: true }, started, first!, second!, last, { ...endOf(10, 6), outputTruncated: true }];
}

function endOf(stdoutBytes: number, stderrBytes: number): EndFrame {
  const usage = { userTimeUs: 0, systemTimeUs: 0, maxRssKib: 0 };
  const how = { outcome: 'exited', exitCode: 0, signal: null, reason: '', outputTruncated: false } as const;
  return { type: 'end', timeNs: 9n, ...how, stdoutBytes, stderrBytes, ...usage };
}

const textOf = (frames: JournalFrame[]) =>
  frames.map((frame) => (frame.type === 'output' ? Buffer.from(frame.bytes).toString('latin1') : '')).join('');

let directory: string;
let path: string;
let wake: JournalWatch;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wt-journal-'));
  path = join(directory, 'cmd_x');
  wake = openJournalWatch(directory);
});
afterEach(async () => {
  wake.close();
  await rm(directory, { recursive: true, force: true });
});

async function collect(fromPosition = 0): Promise<JournalFrame[]> {
  const frames: JournalFrame[] = [];
  for await (const frame of followJournal(path, { wake, fromPosition, signal: AbortSignal.timeout(10_000) })) {
    frames.push(frame);
  }
  return frames;
}

describe('a follower', () => {
  it('gets every frame once while the file appears and grows in arbitrary pieces', async () => {
    const frames = journalOf(['ab', 'cde', 'f', 'ghij']);
    const bytes = Buffer.concat(frames.map(encodeFrame));
    const following = collect();
    for (let at = 0; at < bytes.length; at += 37) await appendFile(path, bytes.subarray(at, at + 37));
    expect(await following).toEqual(frames);
  });

  it('that begins at any position gets exactly what is from there on', async () => {
    const frames = journalOf(['ab', 'cde', 'f', 'ghij']);
    await writeFile(path, Buffer.concat(frames.map(encodeFrame)));
    for (let position = 0; position <= 12; position += 1) {
      const got = await collect(position);
      expect(textOf(got)).toBe('abcdefghij'.slice(position));
      expect(got.filter((frame) => frame.type !== 'output')).toHaveLength(3);
    }
  });

  it('that begins at any position of a journal with a gap gets what was kept from there on', async () => {
    await writeFile(path, Buffer.concat(withGap().map(encodeFrame)));
    const kept = 'abcde.......ghij';
    for (let position = 0; position <= kept.length; position += 1) {
      expect(textOf(await collect(position))).toBe(kept.slice(position).replaceAll('.', ''));
    }
  });

  it('reads more than it holds at once', async () => {
    const frames = journalOf(Array.from({ length: 40 }, (_, i) => String(i % 10).repeat(60_000)));
    await writeFile(path, Buffer.concat(frames.map(encodeFrame)));
    expect(textOf(await collect())).toBe(textOf(frames));
  });

  it('stops with the reason of its signal while it waits', async () => {
    await writeFile(path, encodeFrame(header));
    const stop = new AbortController();
    const following = followJournal(path, { wake, signal: stop.signal });
    expect((await following.next()).value).toEqual(header);
    const next = following.next();
    stop.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });
});

describe('a hostile journal', () => {
  const refused = async () => {
    await expect(collect()).rejects.toBeInstanceOf(JournalCorrupt);
  };

  it('is refused as a symlink, a FIFO, a directory, or a device', async () => {
    const target = join(directory, 'target');
    await writeFile(target, Buffer.concat(journalOf([]).map(encodeFrame)));
    await symlink(target, path);
    await refused();
    await rm(path);
    execFileSync('mkfifo', [path]);
    await refused();
    path = directory;
    expect(() => openJournal(path)).toThrow(JournalCorrupt);
    expect(() => openJournal('/dev/zero')).toThrow(JournalCorrupt);
  });

  it('is refused when it shrinks below what was read', async () => {
    await writeFile(path, encodeFrame(header));
    const reader = openJournal(path);
    expect(await reader.read()).toEqual([header]);
    await truncate(path, 10);
    await expect(reader.read()).rejects.toMatchObject({ name: 'JournalCorrupt', fileOffset: 96 });
    reader.close();
  });

  it('is refused for each frame that a supervisor cannot have written there', () => {
    const whole = journalOf(['ab', 'cd']);
    const [, , first, second, end] = whole as [JournalFrame, JournalFrame, OutputFrame, OutputFrame, EndFrame];
    const [jumping, , one, two, three, last] = withGap();
    const bad: JournalFrame[][] = [
      [started],
      [header, header],
      [header, first],
      [header, started, started],
      [header, started, second],
      [header, started, first, first],
      [header, started, first, { ...second, offset: 1 }],
      [header, started, first, second, { ...end, stdoutBytes: 3 }],
      [...whole, end],
      [...whole, started],
      [header, started, first, { ...second, offset: 1, position: 3 }],
      [jumping, started, one, two, { ...three, position: 4 }],
      [jumping, started, one, two, { ...three, offset: 5, position: 5 }],
      [jumping, started, one, two, { ...three, offset: 1, position: 12 }],
      [jumping, started, one, two, { ...three, offset: 10, position: 12 }],
      [jumping, started, one, two, three, { ...three, offset: 11, position: 17 }],
      [jumping, started, one, two, three, { ...last, stdoutBytes: 11 }],
      [jumping, started, one, two, three, { ...last, outputTruncated: false }],
      [jumping, started, one, two, { ...last, outputTruncated: false }],
      [jumping, started, one, two, { ...last, stdoutBytes: 1 }],
    ];
    for (const frames of bad) {
      const order = createFrameOrder();
      const refusedFrame = frames.pop();
      frames.forEach((frame, index) => {
        order.accept(frame, index);
      });
      expect(() => order.accept(refusedFrame as JournalFrame, 77)).toThrowError(
        expect.objectContaining({ fileOffset: 77 }),
      );
    }
  });

  it('of any bytes, or with any byte changed, is read or refused and nothing else', async () => {
    const plain = Buffer.concat(journalOf(['abc', 'de']).map(encodeFrame));
    const gapped = Buffer.concat(withGap().map(encodeFrame));
    const good = plain;
    const change = { of: fc.constantFrom(plain, gapped), at: fc.nat({ max: plain.length - 1 }) };
    const changed = fc.record({ ...change, value: fc.nat({ max: 255 }) }).map((change) => {
      const bytes = Buffer.from(change.of);
      bytes[change.at] = change.value;
      return bytes;
    });
    const arbitrary = fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => Buffer.concat([good, bytes]).subarray(bytes.length));
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, arbitrary), async (bytes) => {
        await writeFile(path, bytes);
        const reader = openJournal(path);
        const outcome = await reader.read().catch((error) => error);
        reader.close();
        expect(Array.isArray(outcome) || outcome instanceof JournalCorrupt).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('cutting a frame', () => {
  it('keeps stream offset and position in step', () => {
    const frame: OutputFrame = {
      type: 'output',
      timeNs: 0n,
      stream: 'stderr',
      offset: 5,
      position: 10,
      bytes: Buffer.from('0123456789'),
    };
    expect(cutBefore(frame, 13)).toEqual({ ...frame, offset: 8, position: 13, bytes: Buffer.from('3456789') });
    expect(cutBefore(frame, 10)).toBe(frame);
    expect(cutBefore(frame, 20)).toBeUndefined();
  });
});
