import type { Proposal } from '@worktrail/client';
import { expect, test } from 'vitest';
import type { Seen } from './followers.ts';
import { checkFiles, checkMain, checkSessions, wasRestored } from './git-checks.ts';
import { changesBetween, planCycle } from './git-workload.ts';

const kinds = (violations: { kind: string }[]) => violations.map(({ kind }) => kind);

test('a tree has every file that was written, with its content, and no other', () => {
  expect(checkFiles('t', { a: '1', b: '2' }, { a: '1', b: '2' })).toEqual([]);
  expect(kinds(checkFiles('t', { a: '1', b: '2', c: '3' }, { a: '1', b: 'x', d: '4' }))).toEqual([
    'differs',
    'lost',
    'differs',
  ]);
});

test('forks are those that were answered, each of them and no more', () => {
  expect(checkSessions(['a', 'b'], ['b', 'a'])).toEqual([]);
  expect(kinds(checkSessions(['a', 'b'], ['b', 'c']))).toEqual(['lost', 'duplicate']);
});

const proposal = (id: string, state: Proposal['state'], mergeCommit = `merge-${id}`) =>
  ({ id, state, mergeCommit, candidateTree: `tree-${id}` }) as Proposal;
const landed = (id: string) => ({ commit: `merge-${id}`, tree: `tree-${id}`, proposalId: id });

test('main has the merges that proposals say of themselves, as what was checked, and nothing else', () => {
  expect(checkMain([proposal('a', 'merged'), proposal('b', 'closed')], [landed('a')])).toEqual([]);
  expect(kinds(checkMain([proposal('a', 'merged')], []))).toEqual(['lost']);
  expect(kinds(checkMain([proposal('a', 'closed')], [landed('a')]))).toEqual(['differs']);
  expect(kinds(checkMain([proposal('a', 'merged')], [landed('a'), landed('a')]))).toEqual(['duplicate']);
  expect(kinds(checkMain([proposal('a', 'merged')], [{ ...landed('a'), tree: 'other' }]))).toEqual(['differs']);
  expect(kinds(checkMain([proposal('a', 'merged', 'other')], [landed('a')]))).toEqual(['differs']);
  expect(kinds(checkMain([], [landed('')]))).toEqual(['differs']);
});

test('a restore counts between the positions between which it came', () => {
  const event = (sequence: number, type: string): Seen => ({
    cursor: `a-${sequence}`,
    id: '',
    type,
    commandId: null,
    digest: '',
  });
  const history = [event(1, 'session.created'), event(2, 'session.restored'), event(3, 'session.ready')];
  expect([wasRestored(history, 'a-1'), wasRestored(history, 'a-2')]).toEqual([true, false]);
  expect([wasRestored(history, 'a-1', 'a-3'), wasRestored(history, 'a-1', 'a-2')]).toEqual([true, false]);
});

test('a cycle is determined by its seed, and its changes lead from the one tree to the other', () => {
  const { first, second } = planCycle('s', 1);
  expect(planCycle('s', 1)).toEqual({ ...planCycle('s', 1), first, second });
  const files: Record<string, string> = { ...first };
  for (const { path, text } of changesBetween(first, second)) {
    if (text === null) delete files[path];
    else files[path] = text;
  }
  expect(files).toEqual(second);
  expect(Object.keys(planCycle('s', 2).first).some((path) => path in first)).toBe(false);
});
