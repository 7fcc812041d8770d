// The places of a runner in one cell: so many of so many, and of how much memory where that is bounded.

import type { Runner } from '@worktrail/client';

export function slotsText({ used, total, memoryMb }: Runner['slots']): string {
  const places = `${used}/${total}`;
  return memoryMb.total === null ? places : `${places}, ${memoryMb.used}/${memoryMb.total} MiB`;
}
