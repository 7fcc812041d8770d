import { expect, it } from 'vitest';
import { historyState } from './history-bounds.ts';

const short = { events: 10, bytes: 10_000, updates: 3, continueAsNewSuggested: false };

it('is short until the server suggests a new run or many updates were taken', () => {
  expect(historyState(short, 1_500)).toBe('short');
  expect(historyState({ ...short, continueAsNewSuggested: true }, 1_500)).toBe('due');
  expect(historyState({ ...short, updates: 1_500 }, 1_500)).toBe('due');
});

it.each([{ events: 8_192 }, { bytes: 16 * 1024 * 1024 }, { updates: 1_800 }])('is overdue at %o', (growth) => {
  expect(historyState({ ...short, ...growth }, 1_500)).toBe('overdue');
});
