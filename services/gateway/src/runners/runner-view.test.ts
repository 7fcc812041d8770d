import { expect, test } from 'vitest';
import { placementHindrance, startHindrance } from './runner-view.ts';

const down = { unavailable: { part: 'docker', detail: 'connect ENOENT' } } as const;

test('sessions can be placed while one runner can make a sandbox', () => {
  expect(placementHindrance([])).toMatchObject({ part: 'sandbox-runner' });
  expect(placementHindrance([down, down])).toEqual({ part: 'docker', detail: 'connect ENOENT' });
  expect(placementHindrance([down, { unavailable: null }])).toBeUndefined();
});

test('a command is not started where the disk of its own runner is full; an engine that is away does not keep it back', () => {
  const full = { id: 'run-1', unavailable: { part: 'disk', detail: '3 MiB are free' } } as const;
  const runners = [full, { id: 'run-2', ...down }, { id: 'run-3', unavailable: null }];
  const found = ['run-1', 'run-2', 'run-3', 'run-4', null].map((id) => startHindrance(runners, id)?.part);
  expect(found).toEqual(['disk', undefined, undefined, undefined, undefined]);
});
