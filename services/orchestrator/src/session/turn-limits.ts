// What a turn and a session's turns together may take, and what they took.
//
// A limit, of the turn or of all turns of the session together, leaves no room for another step; time stops what is under way.

import {
  type AgentUsage,
  firstLimitReached,
  limitDetail,
  type ReachedLimit,
  sessionLimitReached,
} from '@worktrail/contract/agents';
import { addTurnEvent } from './events.ts';
import type { LiveTurn, SessionState } from './state.ts';

/** The first limit that leaves no room for another step; null: there is none. A turn's time is looked after by `turnOverdueAtMs`. */
export function limitReached(
  turn: Pick<LiveTurn, 'spec' | 'step' | 'usage' | 'called'>,
  turns: Pick<SessionState['turns'], 'limits' | 'usage'>,
): ReachedLimit | null {
  const took = { ...usageOf(turn), seconds: 0 };
  const uncounted = { ...uncountedOf(turn), seconds: 0 };
  return (
    firstLimitReached(took, turn.spec.agent.limits, 'turn') ??
    sessionLimitReached(addAgentUsage(turns.usage, uncounted), turns.limits)
  );
}

function usageOf({ step, usage }: Pick<LiveTurn, 'step' | 'usage'>): Omit<AgentUsage, 'seconds'> {
  return { steps: step, tokens: usage.inputTokens + usage.outputTokens, costUsd: usage.costUsd };
}

/** Without what was counted for the session when it was used. */
export function uncountedOf(turn: Pick<LiveTurn, 'step' | 'usage' | 'called'>): Omit<AgentUsage, 'seconds'> {
  const took = usageOf(turn);
  if (!turn.called) return took;
  const { inputTokens, outputTokens, costUsd } = turn.called;
  return { ...took, tokens: took.tokens - inputTokens - outputTokens, costUsd: took.costUsd - costUsd };
}

export function addAgentUsage(one: AgentUsage, other: AgentUsage): AgentUsage {
  return {
    steps: one.steps + other.steps,
    tokens: one.tokens + other.tokens,
    costUsd: one.costUsd + other.costUsd,
    seconds: one.seconds + other.seconds,
  };
}

/** When the current turn has had its time, or the session; Infinity where it is being stopped already. */
export function turnOverdueAtMs(state: SessionState): number {
  return overdue(state)?.atMs ?? Infinity;
}

export function overdue({ turns }: SessionState): (ReachedLimit & { atMs: number }) | null {
  const turn = turns.live[0];
  if (!turn?.startedAt || turn.cancelReason !== null) return null;
  const { seconds } = turn.spec.agent.limits;
  const left = turns.limits.seconds === null ? Infinity : Math.max(turns.limits.seconds - turns.usage.seconds, 0);
  const isSessions = left < seconds;
  return {
    atMs: Date.parse(turn.startedAt) + Math.min(seconds, left) * 1_000,
    name: isSessions ? 'session_time' : 'time',
    detail: limitDetail(isSessions ? 'session' : 'turn', 'seconds', isSessions ? turns.limits.seconds! : seconds),
  };
}

export function addLimitReached(
  state: SessionState,
  turn: LiveTurn,
  { name, detail }: ReachedLimit,
  now: string,
): void {
  addTurnEvent(state, turn.spec.id, now, { case: 'limitReached', value: { limit: name, detail } });
}
