// Where in the stream sessions begin, of those whose first page was read lately: with it their first pages are found as other ones are. It only
// says where to look first, so it need not be right.

import type { Cursor } from '@worktrail/contract/cursor';

export interface Beginnings {
  of(sessionId: string): Cursor | undefined;
  told(sessionId: string, beginning: Cursor): void;
}

const sessionsMax = 10_000;

export function createBeginnings(): Beginnings {
  const known = new Map<string, Cursor>();
  return {
    of: (sessionId) => known.get(sessionId),
    told: (sessionId, beginning) => {
      const [oldest] = known.keys();
      if (known.size >= sessionsMax && oldest !== undefined) known.delete(oldest);
      known.set(sessionId, beginning);
    },
  };
}
