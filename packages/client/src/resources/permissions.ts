// Answers to what an agent asks before it does it.

import type { PermissionAnswer } from '../api-types.ts';
import type { Transport } from '../transport.ts';
import { type CallOptions, pathOf } from './call.ts';

export function createPermissions(transport: Transport) {
  return {
    /** Throws `conflict` where it was answered otherwise, or its turn has ended; the same answer again is taken. */
    answer: (
      sessionId: string,
      permissionId: string,
      body: { decision: 'allow' | 'deny'; remember?: boolean },
      options?: CallOptions,
    ) =>
      transport.json<PermissionAnswer>('POST', pathOf`/v1/sessions/${sessionId}/permissions/${permissionId}`, {
        body,
        ...options,
      }),
  };
}
