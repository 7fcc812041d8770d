import { expect, test } from 'vitest';
import type { Fault } from './faults.ts';
import { formatSummary, summarize } from './report.ts';
import type { RoundResult } from './round-result.ts';

const fault: Fault = { action: 'kill', component: 'nats', liveRestore: null, lastMs: 0, delayMs: 5 };

function round(number: number, ms: number | null, change: Partial<RoundResult> = {}): RoundResult {
  return {
    plan: {
      number,
      seed: `s/${number}`,
      phase: 'running',
      triggerShare: 0.2,
      faults: [fault],
      sandboxIndex: 0,
      withGit: true,
      withTurns: true,
    },
    violations: [],
    commands: 10,
    lostCommands: 0,
    hibernations: 0,
    forks: 2,
    turns: 3,
    proposals: { merged: 1 },
    bytes: 1_000,
    events: 50,
    recovery: ms === null ? null : { fault, ms },
    elapsedMs: 2_000,
    ...change,
  };
}

test('a summary counts what was checked and names the rounds that failed', () => {
  const lost = round(3, null, { violations: [{ kind: 'lost', what: 'x' }] });
  const summary = summarize('s', [round(1, 100), round(2, 300), lost], [{ kind: 'orphan', what: 'y' }]);
  expect(summary).toMatchObject({ rounds: 3, failedRounds: [3], commands: 30, bytes: 3_000, events: 150, forks: 6 });
  expect(summary.proposals).toEqual({ merged: 3 });
  expect(summary.faults).toEqual({ 'kill nats': 3 });
  expect(summary.violations).toMatchObject({ lost: 1, orphan: 1, duplicate: 0, stuck: 0 });
});

test('recovery is told by its middle and its longest', () => {
  const rounds = [900, 100, 300, 200, 400].map((ms, index) => round(index + 1, ms));
  const { recovery } = summarize('s', rounds, []);
  expect(recovery).toEqual([{ fault: 'kill nats', times: 5, p50Ms: 300, maxMs: 900 }]);
});

test('the table has a line for each fault, also where recovery was not measured', () => {
  const text = formatSummary(summarize('s', [round(1, null)], []));
  expect(text).toMatch(/^kill nats +1 +- +-$/m);
  expect(text).toMatch(/^lost +0$/m);
});
