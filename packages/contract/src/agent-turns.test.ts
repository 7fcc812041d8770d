// What an agent asks for, as it passes on.

import { expect, it } from 'vitest';
import { boundedAsks } from './agent-turns.ts';
import { permissionDetail } from './permissions.ts';

it('is bounded, however much an agent asks for and says of it', () => {
  const detail = `write ${'x'.repeat(200_000)}`;
  const asked = Array.from({ length: 500 }, (_, index) => ({
    ...{ toolCallId: `call-${index}`, toolKind: 'edit' as const, detail },
  }));
  const bounded = boundedAsks({ kind: 'permissions', asked });
  expect(JSON.stringify(bounded).length).toBeLessThan(512 * 1024);
  expect(bounded.kind === 'permissions' && bounded.asked[0]).toEqual({ ...asked[0], detail: permissionDetail(detail) });
});
