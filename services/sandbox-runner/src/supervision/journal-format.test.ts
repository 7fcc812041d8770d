import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  frameBodyBytesMax,
  type JournalFrame,
  JournalCorrupt,
  journalOutcomes,
  outputBytesPerFrameMax,
  parseFrame,
} from './journal-format.ts';

const letters = [...'0123456789abcdefghijklmnopqrstuvwxyz'];
const fixedText = (units: string[], length: number) =>
  fc.array(fc.constantFrom(...units), { minLength: length, maxLength: length }).map((chars) => chars.join(''));
const timeNs = fc.bigInt({ min: 0n, max: 2n ** 63n });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

const anyFrame: fc.Arbitrary<JournalFrame> = fc.oneof(
  fc.record({
    type: fc.constant('header' as const),
    timeNs,
    bootId: fixedText(letters.slice(0, 16), 32),
    commandId: fixedText(letters, 26).map((suffix) => `cmd_${suffix}`),
    mayJump: fc.boolean(),
  }),
  fc.record({ type: fc.constant('started' as const), timeNs, pid: int32 }),
  fc.record({
    type: fc.constant('output' as const),
    timeNs,
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    offset: count,
    position: count,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    type: fc.constant('end' as const),
    timeNs,
    outcome: fc.constantFrom(...journalOutcomes),
    exitCode: fc.option(int32),
    signal: fc.option(int32),
    reason: fc.string({ unit: 'grapheme', maxLength: 40 }),
    outputTruncated: fc.boolean(),
    stdoutBytes: count,
    stderrBytes: count,
    userTimeUs: count,
    systemTimeUs: count,
    maxRssKib: count,
  }),
);

function parseAll(bytes: Buffer): JournalFrame[] {
  const frames: JournalFrame[] = [];
  for (let at = 0, parsed = parseFrame(bytes, at); parsed; parsed = parseFrame(bytes, at)) {
    frames.push(parsed.frame);
    at = parsed.next;
  }
  return frames;
}

describe('a journal', () => {
  it('of the version before is read as one without gaps, and one with unknown flags is refused', () => {
    const header: JournalFrame = {
      type: 'header',
      timeNs: 1n,
      bootId: 'a'.repeat(32),
      commandId: `cmd_${'0'.repeat(26)}`,
      mayJump: true,
    };
    const bytes = encodeFrame(header);
    const versionAt = 16;
    const flagsAt = 20;
    bytes.writeUInt32LE(3, flagsAt);
    expect(() => parseFrame(bytes, 0)).toThrow(JournalCorrupt);
    bytes.writeUInt32LE(1, versionAt);
    expect(parseFrame(bytes, 0)?.frame).toEqual({ ...header, mayJump: false });
    bytes.writeUInt32LE(3, versionAt);
    expect(() => parseFrame(bytes, 0)).toThrow(JournalCorrupt);
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), (frames) => {
        expect(parseAll(Buffer.concat(frames.map(encodeFrame)))).toEqual(frames);
      }),
    );
  });

  it('cut anywhere gives the frames before the cut and no error', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 4 }), fc.nat(), (frames, seed) => {
        const encoded = frames.map(encodeFrame);
        const whole = Buffer.concat(encoded);
        const cut = seed % whole.length;
        let complete = 0;
        for (let end = 0; complete < encoded.length; complete += 1) {
          end += encoded[complete]?.length ?? 0;
          if (end > cut) break;
        }
        expect(parseAll(whole.subarray(0, cut))).toEqual(frames.slice(0, complete));
      }),
    );
  });

  it('with flipped bits or of arbitrary bytes is read or refused as JournalCorrupt, nothing else', () => {
    const flip = fc.record({ frame: anyFrame, at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) });
    const flipped = flip.map(({ frame, at, mask }) => {
      const bytes = encodeFrame(frame);
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ mask;
      return bytes;
    });
    const arbitrary = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(flipped, arbitrary), (bytes) => {
        try {
          for (const frame of parseAll(bytes)) expect(parseFrame(encodeFrame(frame), 0)?.frame.type).toBe(frame.type);
        } catch (error) {
          expect(error).toBeInstanceOf(JournalCorrupt);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('that announces a frame above the bound is refused before the frame is there', () => {
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32LE(frameBodyBytesMax + 1, 0);
    prefix.writeUInt16LE(3, 4);
    expect(() => parseFrame(prefix, 0, 1000)).toThrowError(expect.objectContaining({ fileOffset: 1000 }));
    prefix.writeUInt32LE(frameBodyBytesMax, 0);
    expect(parseFrame(prefix, 0)).toBeUndefined();
  });

  it('takes the largest output frame and refuses one byte more', () => {
    const output = (length: number): JournalFrame => ({
      type: 'output',
      timeNs: 0n,
      stream: 'stdout',
      offset: 0,
      position: 0,
      bytes: Buffer.alloc(length),
    });
    expect(parseFrame(encodeFrame(output(outputBytesPerFrameMax)), 0)).toBeDefined();
    expect(() => parseFrame(encodeFrame(output(outputBytesPerFrameMax + 1)), 0)).toThrow(JournalCorrupt);
    expect(() => parseFrame(encodeFrame(output(0)), 0)).toThrow(JournalCorrupt);
  });
});
