// Writing down what happened to a proposal, in its session's history: numbered here, recorded later.

import type { ActorRef } from '@worktrail/contract/commands';
import type { EventDraft } from '@worktrail/contract/event-draft';
import type { ProposalState } from './state.ts';

export const orchestrator: ActorRef = { kind: 'system', id: 'orchestrator' };

export function user(principalId: string): ActorRef {
  return { kind: 'user', id: principalId };
}

/** Every change of what the proposal's document shows. */
export function changed(state: ProposalState, now: string): void {
  state.version += 1;
  state.updatedAt = now;
}

export function addEvent(
  state: ProposalState,
  payload: EventDraft['payload'],
  now: string,
  actor: ActorRef = orchestrator,
): void {
  state.eventNumber += 1;
  state.events.push({ number: state.eventNumber, time: now, actor, payload });
  changed(state, now);
}
