import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createLineSource } from './line-source.ts';

interface SetUp {
  isTerminal?: boolean;
  unasked?: (line: string) => boolean;
}

function setUp({ isTerminal = false, unasked = () => false }: SetUp = {}) {
  const told: string[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: isTerminal });
  const output = Object.assign(new PassThrough(), { isTTY: isTerminal });
  let printed = '';
  output.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const lines = createLineSource(input, output, {
    onInterrupt: () => told.push('interrupt'),
    onUnasked: (line) => told.push(`unasked ${line}`) > 0 && unasked(line),
    onEnd: () => told.push('end'),
  });
  return { input, lines, told, printed: () => printed };
}

test('lines of a pipe wait for who asks for them, and end with it', async () => {
  const { input, lines, told, printed } = setUp();
  input.end('one\ntwo\nthree');
  expect([await lines.next('> '), await lines.next('> '), await lines.next('> '), await lines.next('> ')]).toEqual([
    ...['one', 'two', 'three'],
    null,
  ]);
  expect([told, printed()]).toEqual([[], '']);
});

test('who does not need a line any more leaves it to the next', async () => {
  const { input, lines } = setUp();
  const needless = new AbortController();
  const first = lines.next('', needless.signal);
  needless.abort();
  const second = lines.next('');
  input.write('a line\n');
  expect([await first, await second]).toEqual([null, 'a line']);
  expect(await lines.next('', needless.signal)).toBeNull();
  lines.close();
});

test('on a terminal there is a prompt, and Ctrl-C and Ctrl-D are told', async () => {
  const { input, lines, told, printed } = setUp({ isTerminal: true });
  const line = lines.next('> ');
  input.write('hello\r');
  expect(await line).toBe('hello');
  expect(printed()).toContain('> ');
  const half = lines.next('> ');
  input.write('half\u0003');
  input.write('whole\r');
  expect(await half).toBe('whole');
  expect(printed().match(/> /g)!.length).toBeGreaterThan(2);
  expect(told).toEqual(['interrupt']);
  const last = lines.next('> ');
  input.write('\u0004');
  expect(await last).toBeNull();
  expect(told).toEqual(['interrupt', 'end']);
});

test('what is typed while nobody asks is told at once, and waits unless it is done with', async () => {
  const { input, lines, told } = setUp({ isTerminal: true, unasked: (line) => line === '/cancel' });
  input.write('/cancel\rlater\r');
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual(['unasked /cancel', 'unasked later']);
  expect(await lines.next('> ')).toBe('later');
  lines.close();
});

const isYes = (line: string) => line === 'yes';

test('on a terminal an answer is what is typed after its question; what was typed before stays a message', async () => {
  const { input, lines, told } = setUp({ isTerminal: true });
  input.write('yes\r');
  await expect.poll(() => told).toEqual(['unasked yes']);
  const answer = lines.answer('? ', isYes);
  input.write('no\r');
  expect(await answer).toBe('no');
  expect(await lines.next('> ')).toBe('yes');
});

test('in a pipe the next line is the answer, where it is one; otherwise it stays a message', async () => {
  const { input, lines } = setUp();
  input.end('yes\nsay more\n');
  expect([await lines.answer('? ', isYes), await lines.answer('? ', isYes), await lines.next('> ')]).toEqual([
    ...['yes', null, 'say more'],
  ]);
});
