import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressAnswer, askedName, parseServer, refusedAnswer } from './names.ts';

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

test('addresses are answered to who asks for such, and none to who asks for another kind', () => {
  const message = question('a.example');
  const answer = addressAnswer(message, ['1.2.3.4', '::1', '5.6.7.8']);
  expect([...answer.subarray(0, 12)]).toEqual([0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]);
  expect(answer.subarray(message.length - 11).toString('hex')).toBe(
    'c00c000100010000003c000401020304c00c000100010000003c000405060708',
  );
  message[message.length - 11 - 3] = 28;
  expect([...addressAnswer(message, ['1.2.3.4']).subarray(6)]).toEqual([
    0,
    0,
    0,
    0,
    0,
    0,
    ...message.subarray(12, message.length - 11),
  ]);
});

test('no bytes make it throw, read outside of them, or answer with more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, isQuestion) => {
      const message = isQuestion ? Buffer.concat([question('a.b').subarray(0, 12), bytes]) : Buffer.from(bytes);
      const name = askedName(message);
      if (name === undefined) return;
      expect(name).toMatch(/^[\w-]+(\.[\w-]+)*$/);
      expect(refusedAnswer(message).length).toBeLessThanOrEqual(message.length);
      expect(addressAnswer(message, []).length).toBeLessThanOrEqual(message.length);
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
