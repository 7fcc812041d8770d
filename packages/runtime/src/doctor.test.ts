import { findingsMax } from '@worktrail/contract/doctor';
import { expect, test } from 'vitest';
import { doctorAnswer, type Examination } from './doctor.ts';
import type { DatedFinding } from './first-seen.ts';

const finding = (name: string, organizationId: string | null, changes: Partial<DatedFinding> = {}): DatedFinding => ({
  ...{ kind: 'volume', name, organizationId, sessionId: null, generation: null, since: 'now', reason: 'r' },
  ...{ action: 'remove', due: null, isDue: true, isShown: true },
  ...changes,
});
const examined = (changes: Partial<Examination>): Examination => ({
  ...{ findings: [], removed: [], failed: [], incomplete: [], checkedAtMs: 0 },
  ...changes,
});
const own = (owner: string | null) => owner === null || owner === 'org_a';
const ask = (changes: Partial<Examination>) =>
  doctorAnswer({ part: 'sandbox-runner', id: 'run-1' }, examined(changes), own);

test('an answer has what is the asker’s own and nobody’s, and nothing of others', () => {
  const all = [
    finding('1', 'org_a'),
    finding('2', 'org_b'),
    finding('3', null),
    finding('4', 'org_a', { isShown: false }),
  ];
  const failed = all.map((one) => ({ finding: one, reason: 'busy' }));
  const answer = ask({ findings: all, removed: all, failed });
  expect(answer.findings.map(({ name }) => name)).toEqual(['1', '3']);
  expect(answer.removed.map(({ name }) => name)).toEqual(['1', '3', '4']);
  expect(answer.failed.map((one) => one.finding.name)).toEqual(['1', '3', '4']);
  expect(JSON.stringify(answer)).not.toContain('isDue');
});

test('an answer is bounded, fits in a message, and says that there is more', () => {
  const many = Array.from({ length: findingsMax + 1 }, (_, index) => finding(`${index}`, null));
  expect(ask({ findings: many.slice(1) })).toMatchObject({ truncated: false });
  const answer = ask({ findings: many });
  expect(answer).toMatchObject({ truncated: true });
  expect(answer.findings).toHaveLength(findingsMax);
  const long = many.map((one) => ({ ...one, name: '\u0000'.repeat(400), reason: 'r'.repeat(5_000) }));
  const cut = ask({ findings: long, removed: long, failed: long.map((one) => ({ finding: one, reason: one.reason })) });
  expect(JSON.stringify(cut).length).toBeLessThan(1024 ** 2);
  expect(cut.truncated).toBe(true);
});
