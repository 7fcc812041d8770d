import { expect, test } from 'vitest';
import { placementHindrance } from './runner-view.ts';

const down = { unavailable: { part: 'docker', detail: 'connect ENOENT' } } as const;

test('sessions can be placed while one runner can make a sandbox', () => {
  expect(placementHindrance([])).toMatchObject({ part: 'sandbox-runner' });
  expect(placementHindrance([down, down])).toEqual({ part: 'docker', detail: 'connect ENOENT' });
  expect(placementHindrance([down, { unavailable: null }])).toBeUndefined();
});
