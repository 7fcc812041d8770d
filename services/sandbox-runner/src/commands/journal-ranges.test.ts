import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@worktrail/contract/ids';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeFrame, type JournalFrame } from '../supervision/journal-format.ts';
import { createJournalRanges } from './journal-ranges.ts';
import type { LiveCommand } from './live-commands.ts';
import { createSecretMask, type OutputPiece } from './secret-mask.ts';
import { createSessionDirectories } from '../sessions/session-directory.ts';

let path: string;
beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), 'journal-ranges-'));
});
afterAll(() => rmSync(path, { recursive: true, force: true }));

const secret = 'hunter2';

type Chunk = { stream: 'stdout' | 'stderr'; text: string };

const chunks = fc.array(
  fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    text: fc.oneof(
      fc.constantFrom(secret, 'hunt', 'er2', 'hunthunter2er2', `${secret}${secret}`),
      fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 65_536 }).map((length) => 'x'.repeat(length)),
    ),
  }),
  { minLength: 1, maxLength: 12 },
);

function outputFrames(list: readonly Chunk[]) {
  const offsets = { stdout: 0, stderr: 0 };
  return list.map(({ stream, text }) => {
    const bytes = Buffer.from(text, 'latin1');
    const frame = {
      type: 'output' as const,
      timeNs: 2n,
      stream,
      offset: offsets[stream],
      position: offsets.stdout + offsets.stderr,
      bytes,
    };
    offsets[stream] += bytes.length;
    return frame;
  });
}

/** A command that has printed this, and goes on. */
function liveCommand(list: readonly Chunk[]): {
  live: LiveCommand;
  directories: ReturnType<typeof createSessionDirectories>;
} {
  const directories = createSessionDirectories(path, 'test');
  const sessionId = newId('session');
  const commandId = newId('command');
  const { runPath } = directories.at(sessionId);
  for (const name of ['journals', 'requests']) mkdirSync(join(runPath, name), { recursive: true });
  const frames: JournalFrame[] = [
    { type: 'header', mayJump: false, timeNs: 1n, bootId: '0'.repeat(32), commandId },
    { type: 'started', timeNs: 1n, pid: 7 },
    ...outputFrames(list),
  ];
  writeFileSync(join(runPath, 'journals', commandId), Buffer.concat(frames.map(encodeFrame)));
  writeFileSync(join(runPath, 'requests', commandId), `env=TOKEN=${secret}\0`);
  const input = {
    sessionId,
    environment: { env: { TOKEN: { secret: 'token' } } },
    env: {},
    command: { id: commandId, env: {} },
  };
  return { live: { input } as unknown as LiveCommand, directories };
}

/** What publication shows of it, byte for byte; undefined for what it still holds back. */
function shown(list: readonly Chunk[]): (number | undefined)[] {
  const mask = createSecretMask([secret]);
  const bytes: number[] = [];
  for (const frame of outputFrames(list)) for (const piece of mask.push(frame)) bytes.push(...piece.bytes);
  return bytes;
}

test('ranges asked for in any order, of any size, hold exactly what publication shows', async () => {
  await fc.assert(
    fc.asyncProperty(
      chunks,
      fc.array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 40, max: 600_000 })), { maxLength: 6 }),
      async (list, asked) => {
        const { live, directories } = liveCommand(list);
        const ranges = createJournalRanges(directories);
        const published = shown(list);
        for (const [a, b, bytesMax] of asked) {
          const [from, to] = [a % (published.length + 1), b % (published.length + 1)].sort((x, y) => x - y) as [
            number,
            number,
          ];
          const range = (await ranges.read(live, { from, to, bytesMax }))!;
          expect(range.startedNs).toBe(1n);
          expectRange(range.pieces, published, from, to);
        }
        await ranges.close();
      },
    ),
    { numRuns: 60 },
  );
});

function expectRange(
  pieces: readonly OutputPiece[],
  published: readonly (number | undefined)[],
  from: number,
  to: number,
): void {
  let position = from;
  for (const piece of pieces) {
    expect(piece.position).toBe(position);
    expect(
      Buffer.from(piece.bytes).equals(
        Buffer.from(published.slice(position, position + piece.bytes.length) as number[]),
      ),
    ).toBe(true);
    position += piece.bytes.length;
  }
  expect(position).toBeLessThanOrEqual(to);
  if (from < to) expect(position).toBeGreaterThan(from);
}

test('a long range comes in answers that follow each other, each within its bound', async () => {
  const list = Array.from(
    { length: 60 },
    (_, i): Chunk => ({ stream: i % 3 ? 'stdout' : 'stderr', text: `${i % 10}`.repeat(65_536) }),
  );
  const { live, directories } = liveCommand(list);
  const ranges = createJournalRanges(directories);
  const total = 60 * 65_536;
  const pieces: OutputPiece[] = [];
  for (let from = 10; from < total; ) {
    const range = (await ranges.read(live, { from, to: total, bytesMax: 10 ** 9 }))!;
    const bytes = range.pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(512 * 1024);
    pieces.push(...range.pieces);
    from += bytes;
  }
  const whole = Buffer.concat(list.map(({ text }) => Buffer.from(text))).subarray(10);
  expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(whole)).toBe(true);
  await ranges.close();
});

test('a command without a journal has no range, and one whose request is gone is not shown unmasked', async () => {
  const { live, directories } = liveCommand([{ stream: 'stdout', text: secret }]);
  const ranges = createJournalRanges(directories);
  const none = { input: { ...live.input, command: { ...live.input.command, id: newId('command') } } } as LiveCommand;
  expect(await ranges.read(none, { from: 0, to: 1, bytesMax: 100 })).toBeUndefined();
  rmSync(join(directories.at(live.input.sessionId).runPath, 'requests', live.input.command.id));
  await expect(ranges.read(live, { from: 0, to: 7, bytesMax: 100 })).rejects.toThrow('ENOENT');
  await ranges.close();
});
