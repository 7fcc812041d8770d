// Models that something in the sandbox has called, through its runner's endpoint: what they used counts for the session, and for the
// turn that goes on meanwhile.
//
// 1. A runner tells of all that one of its meters has counted, so that what is told twice, late or not at all changes nothing in the end.
// 2. It counts at once. A limit that is met by it stops what is under way, since that is what uses more: here no step comes to an end first.

import type { ModelsCalled } from '@worktrail/contract/session-messages';
import { addUsage, usageBeyond } from '../agent/usage.ts';
import { changedForReaders } from './events.ts';
import type { SessionState } from './state.ts';
import { reportStep } from './turn-ends.ts';
import { addLimitReached, limitReached } from './turn-limits.ts';

/** One for each host that the session was on. */
const metersMax = 50;

const noUsage = addUsage();

export function modelsCalled(state: SessionState, { meterId, used }: ModelsCalled, now: string): void {
  const { turns } = state;
  const known = turns.meters.find((meter) => meter.id === meterId)?.used ?? noUsage;
  const more = usageBeyond(used, known);
  if (Object.values(more).every((amount) => amount === 0)) return;
  const others = turns.meters.filter((meter) => meter.id !== meterId);
  turns.meters = [...others, { id: meterId, used: addUsage(known, more) }].slice(-metersMax);
  turns.usage.tokens += more.inputTokens + more.outputTokens;
  turns.usage.costUsd += more.costUsd;
  changedForReaders(state);
  const turn = turns.live[0];
  if (!turn?.startedAt) return;
  turn.called = addUsage(turn.called ?? noUsage, more);
  turn.usage = addUsage(turn.usage, more);
  reportStep(state, turn);
  if (turn.cancelReason !== null || turn.limit !== undefined) return;
  const limit = limitReached(turn, turns);
  if (limit === null) return;
  turn.limit = limit.name;
  addLimitReached(state, turn, limit, now);
}
