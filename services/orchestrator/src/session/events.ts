// Writing down what happened: events are numbered here, in the order in which they came to be, and recorded later.

import type { ActorRef, CommandSpec } from '@worktrail/contract/commands';
import type { EventDraft } from '@worktrail/contract/event-draft';
import { sessionProducer } from '@worktrail/contract/subjects';
import type { LiveCommandState, SessionState } from './state.ts';

const orchestrator: ActorRef = { kind: 'system', id: 'orchestrator' };

/** Every change of what the session's document shows. */
export function changed(state: SessionState): void {
  state.version += 1;
}

/** A change that the read model has to show soon; others go along with the next one that has to. */
export function changedForReaders(state: SessionState): void {
  changed(state);
  state.dueVersion = state.version;
}

export function addSessionEvent(
  state: SessionState,
  now: string,
  payload: EventDraft['payload'],
  actor: ActorRef = orchestrator,
  commandId = '',
): void {
  state.eventNumber += 1;
  const draft = { number: state.eventNumber, time: now, actor, ...(commandId && { commandId }), payload };
  state.events.push({ producer: sessionProducer, draft });
  changedForReaders(state);
}

export function addReady(state: SessionState, now: string): void {
  const value = {
    branch: state.spec.branch,
    baseCommit: state.baseCommit ?? '',
    headCommit: state.headCommit ?? '',
  };
  addSessionEvent(state, now, { case: 'sessionReady', value });
}

/** The first event of a producer that nobody is to write as any longer; nothing, where it has written before. */
export function addProducerGap(state: SessionState, producer: string, reason: string, now: string): void {
  const payload: EventDraft['payload'] = { case: 'gap', value: { producer, reason } };
  state.events.push({ producer, draft: { number: 1, time: now, actor: orchestrator, payload } });
}

/** Event 1 of a command that has to wait. A command that starts at once is written down by its runner. */
export function addCommandQueued(state: SessionState, command: LiveCommandState): void {
  const { spec } = command;
  command.queuedEvent = 'pending';
  addCommandEvent(state, spec, 1, spec.queuedAt, {
    case: 'commandQueued',
    value: {
      command: spec.command,
      cwd: spec.cwd,
      timeoutSeconds: spec.timeoutSeconds ?? 0,
      background: spec.background,
      origin: spec.origin,
    },
  });
}

/** Event 2, the last, of a command that never started. */
export function addUnstartedEnd(state: SessionState, command: LiveCommandState, now: string, outcome: number): void {
  addCommandEvent(state, command.spec, 2, now, {
    case: 'commandEnded',
    value: { outcome, reason: command.result?.reason ?? '' },
  });
}

function addCommandEvent(
  state: SessionState,
  spec: CommandSpec,
  number: number,
  time: string,
  payload: EventDraft['payload'],
): void {
  const { turnId } = spec;
  const about = { commandId: spec.id, ...(turnId !== undefined && { turnId }) };
  const draft: EventDraft = { ...about, number, time, actor: spec.actor, payload };
  state.events.push({ producer: spec.id, draft });
}

/** Event of the session about one of its turns. */
export function addTurnEvent(
  state: SessionState,
  turnId: string,
  now: string,
  payload: EventDraft['payload'],
  actor: ActorRef = orchestrator,
): void {
  state.eventNumber += 1;
  state.events.push({
    producer: sessionProducer,
    draft: { number: state.eventNumber, time: now, actor, turnId, payload },
  });
  changedForReaders(state);
}

/** Event 1 of a use of a tool. */
export function addToolEvent(
  state: SessionState,
  { turnId, toolCallId, number }: { turnId: string; toolCallId: string; number: number },
  now: string,
  payload: EventDraft['payload'],
): void {
  const actor = { kind: 'agent', id: turnId } as const;
  state.events.push({ producer: toolCallId, draft: { number, time: now, actor, turnId, payload } });
}
