// Time and ids inside a workflow: replay gives the same ones.

import { uuid4 } from '@temporalio/workflow';
import { type IdKind, idFrom } from '@worktrail/contract/ids';

/** ISO 8601, the workflow's clock. */
export function now(): string {
  return new Date().toISOString();
}

/** An id from the workflow's clock and randomness. */
export function newWorkflowId(kind: IdKind): string {
  const hex = uuid4().replaceAll('-', '');
  const entropy = Uint8Array.from({ length: 10 }, (_, index) =>
    Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16),
  );
  return idFrom(kind, Date.now(), entropy);
}
