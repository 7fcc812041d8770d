import { expect, test } from 'vitest';
import { createStyle, formatProgress, wantsColour } from './terminal.ts';

test('a step shows its mark, title, detail and time', () => {
  const plain = createStyle(false);
  const done = { kind: 'done', title: 'Start nats', detail: 'process 7', elapsedMs: 1234 } as const;
  expect(formatProgress(done, plain)).toBe('✓ Start nats  process 7  1.2 s');
  expect(formatProgress({ ...done, kind: 'failed', detail: '' }, plain)).toBe('✗ Start nats  1.2 s');
});

test('colour needs a terminal and is switched off by NO_COLOR', () => {
  expect(wantsColour({ isTTY: true }, {})).toBe(true);
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColour({}, {})).toBe(false);
  expect(createStyle(true).green('x')).toBe('\u001b[32mx\u001b[0m');
});
