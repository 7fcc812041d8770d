// Public event types ("command.output") and the payload cases of event.proto they stand for.

import type { Event } from '@worktrail/proto/event';

export type EventPayload = Exclude<Event['payload'], { case: undefined }>;
export type EventCase = EventPayload['case'];

const types = {
  sessionCreated: 'session.created',
  sessionReady: 'session.ready',
  sessionBusy: 'session.busy',
  sessionHibernating: 'session.hibernating',
  sessionHibernated: 'session.hibernated',
  sessionResuming: 'session.resuming',
  sessionResumed: 'session.resumed',
  sessionRestored: 'session.restored',
  sessionPlaced: 'session.placed',
  sessionFailed: 'session.failed',
  sessionArchived: 'session.archived',
  sessionReverted: 'session.reverted',
  sessionForked: 'session.forked',
  sessionBranchLeft: 'session.branch_left',
  sessionUpdated: 'session.updated',
  commandQueued: 'command.queued',
  commandStarted: 'command.started',
  commandOutput: 'command.output',
  commandEnded: 'command.ended',
  checkpointCreated: 'checkpoint.created',
  filesChanged: 'files.changed',
  turnStarted: 'turn.started',
  turnEnded: 'turn.ended',
  messageUser: 'message.user',
  messageAgent: 'message.agent',
  messageAgentDelta: 'message.agent_delta',
  reasoning: 'reasoning',
  reasoningDelta: 'reasoning.delta',
  toolStarted: 'tool.started',
  toolEnded: 'tool.ended',
  permissionRequested: 'permission.requested',
  permissionAnswered: 'permission.answered',
  fileRead: 'file.read',
  contextReferenced: 'context.referenced',
  planUpdated: 'plan.updated',
  usage: 'usage',
  messageSummary: 'message.summary',
  proposalOpened: 'proposal.opened',
  proposalChecked: 'proposal.checked',
  proposalApproved: 'proposal.approved',
  proposalRejected: 'proposal.rejected',
  proposalMerged: 'proposal.merged',
  proposalClosed: 'proposal.closed',
  trialVerdict: 'trial.verdict',
  egressRefused: 'egress.refused',
  limitReached: 'limit.reached',
  gap: 'gap',
} as const satisfies Record<EventCase, string>;

export type EventType = (typeof types)[EventCase];

export const eventTypes: readonly EventType[] = Object.values(types);

const casesByType = new Map<string, EventCase>(
  Object.entries(types).map(([eventCase, type]) => [type, eventCase as EventCase]),
);

export function eventType(eventCase: EventCase): EventType {
  return types[eventCase];
}

/** Undefined for a name that is no event type. */
export function eventCase(type: string): EventCase | undefined {
  return casesByType.get(type);
}
