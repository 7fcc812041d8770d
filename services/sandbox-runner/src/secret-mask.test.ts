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
