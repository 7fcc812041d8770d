import fc from 'fast-check';
import { expect, test } from 'vitest';
import { askedName, parseServer, refusedAnswer } from './names.ts';

/** A question for an address, as a resolver sends it, with an EDNS record behind it. */
function question(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const edns = Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([
    Buffer.from([0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]),
    ...labels,
    Buffer.from([0, 0, 1, 0, 1]),
    edns,
  ]);
}

test('the name is read, and the answer that there is none repeats id and question alone', () => {
  const message = question('Some-host.example.org');
  expect(askedName(message)).toBe('some-host.example.org');
  const answer = refusedAnswer(message);
  expect([...answer.subarray(0, 12)]).toEqual([0xab, 0xcd, 0x81, 0x85, 0, 1, 0, 0, 0, 0, 0, 0]);
  expect(answer.subarray(12)).toEqual(message.subarray(12, message.length - 11));
});

test('no bytes make it throw, read outside of them, or answer with more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, isQuestion) => {
      const message = isQuestion ? Buffer.concat([question('a.b').subarray(0, 12), bytes]) : Buffer.from(bytes);
      const name = askedName(message);
      if (name === undefined) return;
      expect(name).toMatch(/^[\w-]+(\.[\w-]+)*$/);
      expect(refusedAnswer(message).length).toBeLessThanOrEqual(message.length);
    }),
  );
});

test.each([
  ['10.0.0.1', '10.0.0.1', 53],
  ['10.0.0.1:5353', '10.0.0.1', 5353],
  ['fd00::1', 'fd00::1', 53],
  ['[fd00::1]:5353', 'fd00::1', 5353],
])('the server %s', (text, address, port) => {
  expect(parseServer(text)).toEqual({ address, port });
});
