import { newId } from '@worktrail/contract/ids';
import { operatorSettings } from '@worktrail/runtime/operator-config';
import { expect, test } from 'vitest';
import type { Principal } from '../authorize.ts';
import type { ProjectDocument } from '../projects/project-document.ts';
import { sessionSpec } from './session-spec.ts';

function specOf(hibernateAfterSeconds: number | null, file: string) {
  const project = { id: 'prj_1', repository: {}, environment: {}, hibernateAfterSeconds } as ProjectDocument;
  const parents = { taskId: null, trialId: null, baseRef: null, env: {}, labels: {} };
  const input = { ...parents, sessionId: newId('session'), title: 'one', createdAt: '2026-01-01T00:00:00.000Z' };
  const principal = { organizationId: 'org_1', id: 'prn_1' } as Principal;
  return sessionSpec(input, project, principal, { operator: operatorSettings(file, 'f', {}).values, partitions: 1 });
}

test('a session sleeps after the time of its project, else of the operator; 0 is never, not unsaid', () => {
  expect(specOf(null, '').hibernateAfterSeconds).toBe(1_800);
  expect(specOf(null, 'defaults: {hibernateAfterSeconds: 0}').hibernateAfterSeconds).toBe(0);
  expect(specOf(60, 'defaults: {hibernateAfterSeconds: 0}').hibernateAfterSeconds).toBe(60);
  expect(specOf(0, '').hibernateAfterSeconds).toBe(0);
});

test('a session is archived up to the size that the operator says', () => {
  expect(specOf(null, '').archiveBytesMax).toBe(1024 ** 3);
  expect(specOf(null, 'artifacts: {archiveBytesMax: 0}').archiveBytesMax).toBe(0);
});
