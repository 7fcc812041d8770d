// Since when each thing has been found without a counterpart, and when it may therefore go.
//
// 1. A finding that ceases, or turns into another (another reason), begins anew when it comes back. One of a kind that could not be
//    looked at keeps its time.
// 2. Nothing goes before its grace has passed since it was first seen so. A clock that was set back begins anew.

import type { Finding } from '@worktrail/contract/doctor';

/** What is wrong with something, before it is said since when. */
export interface Judged
  extends Pick<Finding, 'kind' | 'name' | 'organizationId' | 'sessionId' | 'generation' | 'reason' | 'action'> {
  /** In place of the operator's. */
  graceMs?: number;
  /** Not worth mentioning before it has been so for so long. */
  shownAfterMs?: number;
}

/** Milliseconds since 1970 by finding; plain JSON. */
export type FirstSeen = Record<string, number>;

export interface DatedFinding extends Finding {
  isDue: boolean;
  isShown: boolean;
}

export interface Dating {
  graceMs: number;
  nowMs: number;
  /** Kinds that could not be looked at. */
  unseen: readonly string[];
}

export function dateFindings(
  judged: readonly Judged[],
  before: FirstSeen,
  { graceMs, nowMs, unseen }: Dating,
): { findings: DatedFinding[]; seen: FirstSeen } {
  const seen: FirstSeen = Object.fromEntries(
    Object.entries(before).filter(([key]) => unseen.includes(key.split(' ', 1)[0] as string)),
  );
  const findings: DatedFinding[] = [];
  for (const one of judged) {
    const key = `${one.kind} ${one.name} ${one.reason}`;
    const sinceMs = Math.min(before[key] ?? nowMs, nowMs);
    seen[key] = before[key] !== undefined && before[key] <= nowMs ? before[key] : nowMs;
    const { kind, name, organizationId, sessionId, generation, reason, action } = one;
    const dueMs = sinceMs + (one.graceMs ?? graceMs);
    findings.push({
      ...{ kind, name, organizationId, sessionId, generation, reason, action },
      since: new Date(sinceMs).toISOString(),
      due: action === 'remove' ? new Date(dueMs).toISOString() : null,
      isDue: action === 'remove' && nowMs >= dueMs,
      isShown: nowMs - sinceMs >= (one.shownAfterMs ?? 0),
    });
  }
  return { findings, seen };
}
