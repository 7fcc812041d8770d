import { expect, test } from 'vitest';
import { type StopStep, stopTimeMs } from './stop-budget.ts';

const steps: StopStep[] = [...Array<StopStep>(6).fill('process'), 'empty-engine', 'process', 'clean-up-engine'];

/** Every step takes all it gets. */
function stopWhileAllHangs(budgetMs: number, wantedMs: number): number[] {
  let leftMs = budgetMs;
  return steps.map((step, index) => {
    const tookMs = stopTimeMs(step, wantedMs, leftMs, steps.slice(index + 1));
    leftMs -= tookMs;
    return tookMs;
  });
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

test('when everything hangs the whole takes its budget and no more, and each step gets its least', () => {
  for (const budgetMs of [13_500, 5_500, 4_600]) {
    const took = stopWhileAllHangs(budgetMs, 4_000);
    expect(sum(took)).toBeLessThanOrEqual(budgetMs);
    for (const tookMs of took) expect(tookMs).toBeGreaterThanOrEqual(300);
  }
});

test('a step gets what it wants while there is enough, and its least when nothing is left', () => {
  expect(stopTimeMs('process', 3_000, 13_500, steps.slice(1))).toBe(3_000);
  expect(stopTimeMs('process', 3_000, -200, [])).toBe(300);
  expect(stopTimeMs('empty-engine', 4_000, 0, ['process'])).toBe(1_500);
  expect(stopTimeMs('process', 0, 13_500, [])).toBe(0);
});
