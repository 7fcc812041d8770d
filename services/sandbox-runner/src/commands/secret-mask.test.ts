import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSecretMask, heldBytesMax, type OutputPiece } from './secret-mask.ts';

type Written = { stream: OutputPiece['stream']; text: string };

/** The pieces as a supervisor would number them. */
function pieces(written: readonly Written[]): OutputPiece[] {
  const offsets = { stdout: 0, stderr: 0 };
  let position = 0;
  return written.map(({ stream, text }) => {
    const bytes = Buffer.from(text, 'latin1');
    const piece = { stream, offset: offsets[stream], position, bytes };
    offsets[stream] += bytes.length;
    position += bytes.length;
    return piece;
  });
}

/** What comes out, as one text per stream; fails on a hole, an overlap or a wrong offset. */
function mask(secrets: string[], written: readonly Written[]): { stdout: string; stderr: string } {
  const subject = createSecretMask(secrets);
  const shown = [...pieces(written).flatMap((piece) => subject.push(piece)), ...subject.flush()];
  const texts = { stdout: '', stderr: '' };
  let position = 0;
  for (const piece of shown) {
    expect(piece.position).toBe(position);
    expect(piece.offset).toBe(texts[piece.stream].length);
    texts[piece.stream] += Buffer.from(piece.bytes).toString('latin1');
    position += piece.bytes.length;
  }
  return texts;
}

/** The promise itself, the slow way: every byte of every occurrence is a star. */
function expected(secrets: string[], text: string): string {
  const hidden = [...text];
  for (const secret of secrets) {
    if (secret === '') continue;
    for (let at = text.indexOf(secret); at !== -1; at = text.indexOf(secret, at + 1))
      hidden.fill('*', at, at + secret.length);
  }
  return hidden.join('');
}

const alphabet = fc.constantFrom('a', 'b', 'c');
const secret = fc.string({ unit: alphabet, minLength: 0, maxLength: 6 });
const piece = fc.record({
  stream: fc.constantFrom<OutputPiece['stream']>('stdout', 'stderr'),
  text: fc.string({ unit: alphabet, minLength: 1, maxLength: 12 }),
});

test('every occurrence within a stream is hidden and nothing else, however the output is cut', () => {
  fc.assert(
    fc.property(fc.array(secret, { maxLength: 4 }), fc.array(piece, { maxLength: 12 }), (secrets, written) => {
      const whole = (stream: OutputPiece['stream']) =>
        written
          .filter((one) => one.stream === stream)
          .map((one) => one.text)
          .join('');
      const shown = mask(secrets, written);
      expect(shown.stdout).toBe(expected(secrets, whole('stdout')));
      expect(shown.stderr).toBe(expected(secrets, whole('stderr')));
    }),
    { numRuns: 2_000 },
  );
});

test('where output is left out nothing of a secret that lay across is shown, and elsewhere nothing else is hidden', () => {
  const range = fc.tuple(fc.nat(120), fc.nat(60));
  const run = fc.property(
    fc.array(secret, { maxLength: 4 }),
    fc.array(piece, { maxLength: 16 }),
    range,
    (secrets, written, [from, length]) => {
      const to = from + length;
      const subject = createSecretMask(secrets);
      const all = pieces(written);
      const before = all.flatMap((one) => cut(one, 0, from));
      const behind = all.flatMap((one) => cut(one, to, Infinity));
      const shown = [...before.flatMap((one) => subject.push(one)), ...subject.skip()];
      shown.push(...behind.flatMap((one) => subject.push(one)), ...subject.flush());
      expect(shown.map(({ position }) => position)).toEqual(
        shown.map(({ position }) => position).sort((a, b) => a - b),
      );
      const near = Math.max(0, ...secrets.map((one) => one.length));
      for (const stream of ['stdout', 'stderr'] as const) {
        const own = all.filter((one) => one.stream === stream);
        const text = own.map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('');
        const hidden = expected(secrets, text);
        const endBefore = Math.max(0, ...before.filter((one) => one.stream === stream).map(endOf));
        const startBehind = Math.min(text.length, ...behind.filter((one) => one.stream === stream).map(startOf));
        let bytes = 0;
        for (const one of shown.filter((each) => each.stream === stream)) {
          bytes += one.bytes.length;
          for (const [index, byte] of one.bytes.entries()) {
            const offset = one.offset + index;
            const isNear = offset < endBefore ? offset >= endBefore - near : offset < startBehind + near;
            const char = String.fromCharCode(byte);
            if (isNear) expect([hidden[offset], '*']).toContain(char);
            else expect(char).toBe(hidden[offset]);
          }
        }
        expect(bytes).toBe(endBefore + text.length - startBehind);
      }
    },
  );
  fc.assert(run, { numRuns: 500 });
});

const startOf = (one: OutputPiece) => one.offset;
const endOf = (one: OutputPiece) => one.offset + one.bytes.length;

/** What of a piece is in a range of positions. */
function cut(one: OutputPiece, from: number, to: number): OutputPiece[] {
  const start = Math.max(one.position, from);
  const end = Math.min(one.position + one.bytes.length, to);
  if (start >= end) return [];
  const skipped = start - one.position;
  return [
    { ...one, offset: one.offset + skipped, position: start, bytes: one.bytes.subarray(skipped, end - one.position) },
  ];
}

test('output that cannot be the beginning of a secret is shown at once', () => {
  const subject = createSecretMask(['hunter2']);
  const [shown] = subject.push({ stream: 'stdout', offset: 0, position: 0, bytes: Buffer.from('password: hun') });
  expect(Buffer.from(shown!.bytes).toString()).toBe('password: ');
});

test('the bytes that were given are not changed', () => {
  const bytes = Buffer.from('the secret');
  const subject = createSecretMask(['secret']);
  subject.push({ stream: 'stdout', offset: 0, position: 0, bytes });
  expect(bytes.toString()).toBe('the secret');
});

test('a beginning that is never finished holds back a bounded amount of the other stream', () => {
  const subject = createSecretMask(['secret']);
  const filler = 'x'.repeat(10_000);
  const written: Written[] = [{ stream: 'stdout', text: 'secr' }];
  for (let count = 0; count < 10; count += 1) written.push({ stream: 'stderr', text: filler });
  let held = 0;
  let heldMost = 0;
  for (const one of pieces(written)) {
    held += one.bytes.length;
    for (const shown of subject.push(one)) held -= shown.bytes.length;
    heldMost = Math.max(heldMost, held);
  }
  expect(heldMost).toBeLessThanOrEqual(heldBytesMax + filler.length);
  expect(held).toBe(0);
});

test('an occurrence interrupted by too much of the other stream hides the same bytes however that is cut', () => {
  const run = (cut: number) => {
    const written: Written[] = [{ stream: 'stdout', text: 'sec' }];
    for (let left = heldBytesMax - 4; left > 0; left -= cut) {
      written.push({ stream: 'stderr', text: 'x'.repeat(Math.min(cut, left)) });
    }
    written.push({ stream: 'stdout', text: 'ret.' });
    return mask(['secret'], written).stdout;
  };
  const results = new Set([1_000, 4_096, 10_000, 65_536].map(run));
  expect([...results]).toEqual(['se****.']);
});
