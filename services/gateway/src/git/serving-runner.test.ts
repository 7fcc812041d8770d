import { expect, test } from 'vitest';
import { servingRunner } from './serving-runner.ts';

const runner = (id: string, part?: 'disk' | 'docker') => ({ id, unavailable: part ? { part, detail: '' } : null });

test('the runner with most of the sessions serves, unless its disk is full', () => {
  const runners = [runner('a'), runner('b'), runner('c')];
  expect(servingRunner('prj_1', runners, ['b', 'b', 'c', null])).toBe('b');
  expect(servingRunner('prj_1', [runner('a'), runner('b', 'disk')], ['b'])).toBe('a');
  expect(servingRunner('prj_1', [runner('b', 'disk')], ['b'])).toBe('b');
  expect(servingRunner('prj_1', [runner('b', 'docker')], [])).toBe('b');
  expect(servingRunner('prj_1', [], ['b'])).toBeUndefined();
});

test('without sessions it is always the same one, and not for every project', () => {
  const runners = ['a', 'b', 'c', 'd'].map((id) => runner(id));
  const of = (project: string) => servingRunner(project, runners, []);
  expect(servingRunner('prj_1', runners.toReversed(), [])).toBe(of('prj_1'));
  expect(new Set(Array.from({ length: 40 }, (_, index) => of(`prj_${index}`))).size).toBe(4);
});
