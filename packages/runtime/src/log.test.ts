import { expect, test } from 'vitest';
import { createLogger } from './log.ts';

test('values under names that hold secrets never appear in a log line', () => {
  const lines: string[] = [];
  const log = createLogger({ service: 'test', level: 'info' }, { write: (line) => lines.push(line) });
  log.info({ token: 'wt_1', nats: { password: 'wt_2' }, request: { headers: { authorization: 'wt_3' } } }, 'line');
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toMatch(/wt_[123]/);
});
